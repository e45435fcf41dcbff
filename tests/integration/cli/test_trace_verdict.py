"""What `gosonde trace` says in the end of programs that leak, that do not, and that end before it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests import go_programs, labelled_programs
from tests.go_programs import GoProgram, site_line

GOSONDE = str(Path(sys.executable).parent / "gosonde")
PATIENCE_S = 240
#: Nothing alive can wake its goroutines, so that ten seconds are enough.
(LOST,) = [label for label in labelled_programs.leaky() if label.name == "leaky/channel_send"]


def traced(*arguments: str) -> dict[str, Any]:
    command = [GOSONDE, "trace", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    # A program that is started prints its own lines before the document.
    document: dict[str, Any] = json.loads(done.stdout[done.stdout.index('{\n  "source"') :])
    return document


def check_leak(program: GoProgram, source: str) -> None:
    found = traced("--source", source, str(program.pid))
    (suspect,) = found["suspects"]
    assert LOST.is_site(suspect["function"], suspect["file"], suspect["line"])
    assert suspect["created_per_second"] > suspect["exited_per_second"] == 0
    assert suspect["cause"] == LOST.cause
    assert any("main.main.func" in sentence or "chan send" in sentence for sentence in suspect["evidence"])


def check_too_early(program: GoProgram, source: str) -> None:
    found = traced("--source", source, str(program.pid))
    assert found["suspects"] == []
    (early,) = found["too_early"]
    assert (early["function"], early["line"]) == ("main.leak", site_line("leak", "leak"))
    assert early["live"] >= early["more"] > 0
    assert (early["cause"], early["run_seconds"]) == ("channel-receive", 60)


@pytest.mark.usefixtures("ebpf")
def test_a_leak_is_named_with_its_rate_its_cause_and_where_it_waits(go_program: Callable[..., GoProgram]) -> None:
    check_leak(go_program(LOST.name, "50ms"), "ebpf")


def test_readings_of_memory_alone_show_the_same(go_program: Callable[..., GoProgram]) -> None:
    check_leak(go_program(LOST.name, "50ms"), "memory")


@pytest.mark.usefixtures("ebpf")
def test_goroutines_that_something_alive_holds_and_that_just_begin_to_rise_are_not_named_yet(
    go_program: Callable[..., GoProgram],
) -> None:
    check_too_early(go_program("leak", "50"), "ebpf")


def test_readings_of_memory_alone_do_not_name_them_either(go_program: Callable[..., GoProgram]) -> None:
    check_too_early(go_program("leak", "50"), "memory")


def test_nothing_looks_like_a_leak_in_a_healthy_program_and_what_was_looked_at_is_said(
    go_program: Callable[..., GoProgram],
) -> None:
    found = traced("--source", "memory", "--duration", "3", str(go_program("healthy/worker_pool").pid))
    assert found["suspects"] == []
    assert any("scan" in what for what in found["looked_at"])
    assert found["not_known"]


@pytest.mark.usefixtures("ebpf")
def test_a_program_that_ends_by_itself_is_not_cleared_by_a_memory_that_nobody_read() -> None:
    found = traced("--", str(go_programs.build("short")), "100")
    assert found["suspects"] == []
    assert any("memory was not searched at the end" in what for what in found["not_known"])


@contextmanager
def shown_progress(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", Callable[[str], None]]]:
    """A trace whose standard error is a terminal, and what waits until that shows a text."""
    here, there = os.openpty()
    try:
        command = [GOSONDE, "trace", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=there, text=True) as running:
            yield running, partial(wait_for, here)
    finally:
        os.close(here)
        os.close(there)


def wait_for(terminal: int, text: str) -> None:
    shown, end = "", time.monotonic() + PATIENCE_S
    while text not in shown:
        assert time.monotonic() < end, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 1 << 16).decode(errors="replace")


def test_ctrl_c_prints_the_verdict_on_what_was_seen_so_far(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("leaky/channel_send", "10ms")
    arguments = ("--source", "memory", "--duration", "10m", str(program.pid))
    with shown_progress(*arguments) as (running, until_shown):
        until_shown("created, ")
        time.sleep(3)
        running.send_signal(signal.SIGINT)
        until_shown("searching for who can wake them")
        out, _ = running.communicate(timeout=PATIENCE_S)
    said = " ".join(out.split())
    assert "looks like a leak" in said
    assert "nothing alive can wake" in said or "can never run again" in said
    assert "not known:" in said


def test_ctrl_c_while_the_memory_is_searched_prints_the_verdict_without_it(
    go_program: Callable[..., GoProgram],
) -> None:
    program = go_program("parked", "100000")
    arguments = ("--source", "memory", "--duration", "1", str(program.pid))
    with shown_progress(*arguments) as (running, until_shown):
        until_shown("searching for who can wake them")
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0
    said = " ".join(out.split())
    assert "the memory was not searched at the end (that was ended by Ctrl-C)" in said
    assert "the stacks of all goroutines" in said
