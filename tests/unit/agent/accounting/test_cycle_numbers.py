"""A cycle has the runtime's number, once memory has shown it or where counting saw them all."""

from dataclasses import replace

from gosonde_agent.accounting.processes import GoProcess

from tests.unit.agent import observations as of


def process(*, counted_from_start: bool) -> GoProcess:
    described = replace(of.process(1), counted_from_start=counted_from_start)
    return GoProcess(None, None, described)


def test_a_process_that_was_counted_from_its_start_needs_no_reading() -> None:
    assert process(counted_from_start=True).number_of_cycle(4, 0) == 5


def test_of_another_process_memory_shows_how_many_there_were_before() -> None:
    target = process(counted_from_start=False)
    assert target.number_of_cycle(0, 0) == 0
    assert target.number_of_cycle(1, 12) == 12
    assert target.number_of_cycle(2, 0) == 13


def test_after_a_change_of_level_memory_shows_it_anew() -> None:
    target = process(counted_from_start=True)
    assert target.number_of_cycle(0, 1) == 1
    target.generation += 1
    assert target.number_of_cycle(1, 0) == 0
    assert target.number_of_cycle(2, 9) == 9
    assert target.number_of_cycle(3, 0) == 10
