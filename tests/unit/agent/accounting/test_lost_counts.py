"""Who has lost counts or events is reported as not precise, and nobody else is."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from gosonde_agent.accounting.aggregation import Aggregation
from gosonde_agent.accounting.baseline import Reading
from gosonde_agent.accounting.pending_events import MAX_EVENTS, PendingEvents
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.accounting.site_names import SiteNames
from gosonde_agent.sources.counters import UNATTRIBUTED, Counters, Image, SiteTotal, by_site
from gosonde_agent.sources.events import EVENT_CYCLE, EVENT_PAUSE, Event
from gosonde_common.values.observation import Process, ProcessKey

ONE, TWO = Image(1, 7, 1), Image(2, 7, 1)
BIAS = 0x1000


def process(image: Image) -> GoProcess:
    binary = SimpleNamespace(
        build_id="build",
        has_code=lambda _: True,
        go_statement=lambda pc: SimpleNamespace(function=f"main.at_{pc:x}", file="main.go", line=1),
        start_function=lambda _: "",
    )
    described = Process(ProcessKey("boot", image.tgid, 1, 1), "/srv/app", "", "build", 1, 1, counted_from_start=True)
    return GoProcess(image, cast("Any", binary), described, bias=BIAS)


def rows_of(one: GoProcess, totals: Sequence[SiteTotal]) -> list[tuple[str, int, int]]:
    processes = Processes()
    processes.add(one.key.pid, 7, one)
    aggregation = Aggregation(cast("Any", SimpleNamespace(origin=lambda *_: None)), processes, SiteNames())
    observation = aggregation.observe(Counters(sites={ONE: totals}), {})
    assert observation.losses["sites_outside"] == 0
    return sorted((row.site.function, row.created, row.exited) for row in observation.site_counts)


def test_what_found_no_room_is_one_row_without_a_name() -> None:
    totals = [SiteTotal(BIAS + 16, 5, 1), SiteTotal(UNATTRIBUTED, 3, 2), SiteTotal(UNATTRIBUTED, 40, 20)]
    assert rows_of(process(ONE), totals) == [("", 43, 22), ("main.at_10", 5, 1)]


def test_what_found_no_room_stays_one_row_after_a_step_of_the_level() -> None:
    one, totals = process(ONE), [SiteTotal(BIAS + 16, 5, 1), SiteTotal(UNATTRIBUTED, 43, 22)]
    one.freeze(totals)
    assert rows_of(one, totals) == [("", 43, 22), ("main.at_10", 5, 1)]


def test_a_load_bias_moves_no_count_that_has_no_place() -> None:
    totals = [SiteTotal(BIAS + 16, 5, 1), SiteTotal(UNATTRIBUTED, 43, 22)]
    assert by_site(totals, BIAS) == {16: (5, 1), UNATTRIBUTED: (43, 22)}


def test_memory_is_not_held_against_counts_that_have_no_place() -> None:
    assert Reading({UNATTRIBUTED: (1, 0)}, {16: 1}, {UNATTRIBUTED: (2, 0)}).sites() == {16}


def test_a_process_that_has_lost_counts_is_not_precise() -> None:
    one = process(ONE)
    assert one.precise
    one.has_lost = True
    assert not one.precise


def test_what_an_image_has_lost_is_said_of_it_alone() -> None:
    counters = Counters(lost={ONE: 3, TWO: 0})
    assert counters.has_lost(ONE, 5)
    assert not counters.has_lost(TWO, 5)


def test_what_was_lost_of_an_unknown_image_is_said_of_whatever_ran_then_with_such_a_pid() -> None:
    counters = Counters(lost_at=[0, 100, 0, 0])
    assert counters.has_lost(Image(1, 7, 1), 100)
    assert counters.has_lost(Image(5, 7, 1), 50)
    assert not counters.has_lost(Image(1, 7, 1), 101)
    assert not counters.has_lost(Image(2, 7, 1), 50)


def event(image: Image, ordinal: int, kind: int = EVENT_PAUSE) -> Event:
    return Event(kind, image.tgid, image.epoch, image.binary, 0, 0, 0, 0, 0, ordinal)


def test_whoever_has_too_many_events_loses_its_own() -> None:
    pending = PendingEvents()
    for i in range(MAX_EVENTS):
        pending.add(event(ONE, i))
    pending.add(event(TWO, 0, EVENT_CYCLE))
    assert pending.short == {ONE}
    assert pending.of_kind(EVENT_CYCLE) == {TWO}
    taken = pending.take({ONE, TWO})
    assert taken[-1] == event(TWO, 0, EVENT_CYCLE)
    assert len(taken) + pending.dropped == MAX_EVENTS + 1
    assert [one.ordinal for one in taken[:-1]] == list(range(len(taken) - 1))
    pending.add(event(ONE, 0))
    assert pending.take({TWO}) == [event(ONE, 0)]
    assert not pending.short
