"""Runs commands in a program while a source counts it alone, and says what it counted of a statement."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gosonde_agent.watch.trace.seen import Trace
from gosonde_agent.watch.trace.tracing import trace_pid

from tests.go_programs import GoProgram

SECONDS = 120.0
#: `make test-sources` runs what is disturbed at length.
RUNS = 20 if os.environ.get("GOSONDE_SOURCES") == "full" else 1


class Traced:
    """What a trace of a program has seen, and what the program answered meanwhile."""

    def __init__(self, seen: Trace, answer: dict[str, Any]) -> None:
        self.seen = seen
        self.answer = answer

    def counts(self, function: str) -> tuple[int, int]:
        """(created, exited) of the statements in a function."""
        rows = [row for row in self.seen.sites if row.site.function == function]
        return sum(row.created for row in rows), sum(row.exited for row in rows)

    @property
    def lost(self) -> dict[str, int]:
        """What was lost."""
        return {name: count for name, count in self.seen.losses.items() if count}


def trace_while(
    program: GoProgram,
    command: str,
    source: str,
    meanwhile: Callable[[], None] = lambda: None,
    *,
    pid: int | None = None,
) -> Traced:
    """Traces a program by a source from before it gets a command until it has answered: then Ctrl-C ends it.

    Args:
        pid: The process to trace, where that is another than the one that was started.
    """
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(program.ask(command)))
    interrupted = False

    def on_step(elapsed: float, _so_far: Trace) -> None:
        nonlocal interrupted
        if not elapsed:
            asking.start()
        meanwhile()
        if answers and not interrupted:
            interrupted = True
            signal.raise_signal(signal.SIGINT)

    with trace_pid(pid or program.pid, SECONDS, on_step, source) as seen:
        asking.join()
    return Traced(seen, answers[0])


def check_counts_in_a_storm(program: GoProgram, source: str, rounds: int) -> None:
    """Asserts that a source counts `stormy` as it does itself, with its process stopped for moments meanwhile."""

    def stop_for_a_moment() -> None:
        os.kill(program.pid, signal.SIGSTOP)
        time.sleep(0.01)
        os.kill(program.pid, signal.SIGCONT)

    traced = trace_while(program, f"run {rounds}", source, stop_for_a_moment)
    answer = traced.answer
    assert min(answer["loops"], answer["threads"], answer["executed"]) > 0
    assert traced.counts("main.odd") == (answer["odd"], answer["odd"])
    assert traced.counts("main.even") == (answer["even"], answer["even"])
    assert traced.counts("main.churn") == (answer["threads"], answer["threads"])
    assert not traced.lost


def has_opened(pid: int, events: int) -> bool:
    """Whether a process has so many perf events open."""
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            found += str(link.readlink()) == "anon_inode:[perf_event]"
    return found >= events
