"""What uprobes of perf events count without BPF equals what the programs themselves count."""

from collections.abc import Callable

import pytest

from tests.go_programs import GoProgram
from tests.integration.agent.sources.perf.traced import trace_while

Start = Callable[..., GoProgram]
SOURCE = "perf-uprobes"


@pytest.mark.parametrize("version", ["1.21.13", "1.27.3"])
def test_every_goroutine_is_counted_by_its_statement(go_program: Start, version: str) -> None:
    traced = trace_while(go_program("churn", version=version), "run 3000", SOURCE)
    assert traced.counts("main.spawn") == (3_000, 3_000)
    assert not traced.lost


def test_another_process_of_the_file_is_not_counted_and_is_no_loss(go_program: Start) -> None:
    program, other = go_program("churn", buildmode="pie"), go_program("churn", buildmode="pie")
    asked: list[dict[str, object]] = []

    def use_the_other() -> None:
        if not asked:
            asked.append(other.ask("run 500"))

    traced = trace_while(program, "run 1000", SOURCE, use_the_other)
    assert asked
    assert traced.counts("main.spawn") == (1_000, 1_000)
    assert not traced.lost
