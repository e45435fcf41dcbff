"""`gosonde top` in a terminal of its own, on programs that leak."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import program_text
from tests.collector_process import GOSONDE, AgentStream, CollectorProcess, eventually, leak
from tests.go_programs import GoProgram
from tests.terminal import Terminal

Start = Callable[..., GoProgram]
GONE = {"1049", "2026"}


def top(*arguments: str, columns: int = 80, lines: int = 24) -> Terminal:
    return Terminal([str(GOSONDE), "top", *arguments], columns, lines)


def assert_as_before(terminal: Terminal) -> None:
    """The terminal is as a shell needs it."""
    assert terminal.settings() == terminal.before
    assert not terminal.modes & GONE
    assert terminal.modes >= {"7", "25"}
    assert not terminal.beyond


def row(terminal: Terminal, function: str) -> list[str]:
    return next((line.split() for line in terminal.screen if function in line), [])


@pytest.mark.usefixtures("ebpf")
def test_a_leak_is_seen_with_its_rates_its_waits_and_its_stack(go_program: Start) -> None:
    program = go_program("leak")
    with top(str(program.pid)) as terminal:
        terminal.until(lambda: terminal.frames > 0)
        assert terminal.shows("Loading")
        terminal.until(lambda: terminal.shows("/s created"))
        terminal.until(lambda: "main.leak" in row(terminal, "main.leak") and terminal.shows("chan receive"))
        terminal.until(lambda: row(terminal, "main.leak")[1] not in {"-", "0"})
        assert row(terminal, "main.leak")[2] == "0"
        assert terminal.shows("% of its CPU")
        terminal.type("\r")
        terminal.until(lambda: terminal.shows("main.block"))
        terminal.type("\r/healthy\r")
        terminal.until(lambda: bool(row(terminal, "main.healthy")) and not row(terminal, "main.leak"))
        terminal.type(" ")
        terminal.until(lambda: terminal.shows("PAUSED"))
        terminal.resize(120, 30)
        terminal.until(lambda: len(terminal.screen) == 30 and terminal.shows("leak/main.go:"))
        terminal.type("q")
        assert terminal.end() == 0
        assert_as_before(terminal)
    assert program.alive()
    assert program_text.changed(program.pid) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)], ids=str)
@pytest.mark.usefixtures("ebpf")
def test_the_terminal_is_restored_and_probes_are_out_after_a_signal(
    go_program: Start, number: signal.Signals, code: int
) -> None:
    program = go_program("leak")
    with top(str(program.pid)) as terminal:
        terminal.until(lambda: terminal.shows("/s created"))
        terminal.process.send_signal(number)
        assert terminal.end() == code
        assert_as_before(terminal)
    assert program_text.changed(program.pid) == []
    assert program.alive()


@pytest.mark.usefixtures("ebpf")
def test_the_end_of_the_program_is_said_and_the_last_numbers_stay(go_program: Start) -> None:
    program = go_program("leak")
    with top(str(program.pid)) as terminal:
        terminal.until(lambda: terminal.shows("/s created"))
        program.kill()
        terminal.until(lambda: terminal.shows("Counting has ended"))
        assert row(terminal, "main.leak")
        terminal.type("\x03")
        assert terminal.end() == 0
        assert_as_before(terminal)


def test_what_cannot_be_watched_is_said_on_a_terminal_that_is_as_before() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper, top(str(sleeper.pid)) as terminal:
        assert terminal.end() == 3
        assert_as_before(terminal)
        sleeper.kill()


def test_an_error_of_its_own_leaves_the_terminal_as_before() -> None:
    code = (
        "from gosonde_cli.top import running, view; from gosonde_cli.top.process_feed import ProcessFeed;"
        "view.View.press = None; running.run(ProcessFeed('1'))"
    )
    with Terminal([sys.executable, "-c", code]) as terminal:
        terminal.until(lambda: terminal.frames > 0)
        terminal.type("x")
        assert terminal.end() == 1
        assert_as_before(terminal)


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_without_a_terminal_it_says_what_else_there_is(term: str) -> None:
    done = subprocess.run(
        [GOSONDE, "top", "1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "TERM": term},
        check=False,
    )
    assert done.returncode == 2
    assert "gosonde trace" in done.stderr
    assert "gosonde sites --watch" in done.stderr
    assert not done.stdout


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """Knows one process with a leak."""
    with CollectorProcess(tmp_path_factory.mktemp("collector")) as running:
        with AgentStream(running.address) as agent, running.client() as client:
            for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
                agent.observe(sequence, seen)
            assert eventually(client, "opened", live=2_500)
        yield running


def test_what_a_collector_knows_is_seen_with_its_findings(collector: CollectorProcess) -> None:
    with top("--collector", collector.address, columns=160) as terminal:
        terminal.until(lambda: terminal.shows("2,500"))
        assert terminal.shows("HOST")
        terminal.type("\r")
        terminal.until(lambda: terminal.shows("gosonde findings --explain"))
        terminal.process.terminate()
        assert terminal.end() == 143
        assert_as_before(terminal)


@pytest.mark.parametrize(("columns", "lines"), [(40, 10), (80, 24), (10, 3)])
def test_nothing_is_written_beyond_a_small_terminal_nor_after_it_shrinks(
    collector: CollectorProcess, columns: int, lines: int
) -> None:
    with top("--collector", collector.address, columns=columns, lines=lines) as terminal:
        terminal.until(lambda: terminal.shows("2,500") or lines < 5)
        for keys in ("\r", "\r", "?", "?", "/leak", "\x1b"):
            terminal.type(keys)
            terminal.read()
        terminal.resize(max(columns // 2, 1), max(lines // 2, 1))
        terminal.until(lambda: len(terminal.screen) == max(lines // 2, 1))
        terminal.resize(columns, lines)
        terminal.until(lambda: len(terminal.screen) == lines)
        terminal.type("\x1a\x03")
        assert terminal.end() == 0
        assert_as_before(terminal)


def test_who_was_stopped_takes_the_terminal_again(collector: CollectorProcess) -> None:
    with top("--collector", collector.address) as terminal:
        terminal.until(lambda: terminal.shows("2,500"))
        own = terminal.settings()
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.spoil()
        terminal.process.send_signal(signal.SIGCONT)
        terminal.until(lambda: terminal.settings() == own and terminal.shows("2,500"))
        terminal.type("q")
        assert terminal.end() == 0
        assert_as_before(terminal)


def test_a_statement_without_a_finding_says_where_its_stacks_are(collector: CollectorProcess) -> None:
    with top("--collector", collector.address, columns=160) as terminal:
        terminal.until(lambda: terminal.shows("2,500"))
        terminal.type("e\r")
        terminal.until(lambda: terminal.shows("no finding names it") and terminal.shows("gosonde goroutines"))
        terminal.type("q")
        assert terminal.end() == 0


def test_a_process_that_a_collector_does_not_know_is_an_error(collector: CollectorProcess) -> None:
    with top("nobody", "--collector", collector.address) as terminal:
        assert terminal.end() == 1
        assert_as_before(terminal)


def test_a_collector_that_goes_away_is_named_and_its_last_numbers_stay(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as running:
        with AgentStream(running.address) as agent, running.client() as client:
            for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
                agent.observe(sequence, seen)
            assert eventually(client, "opened", live=2_500)
        terminal = top("--collector", running.address)
        terminal.until(lambda: terminal.shows("2,500"))
    with terminal:
        terminal.until(lambda: terminal.shows("does not answer"))
        assert terminal.shows("2,500")
        terminal.type("q")
        assert terminal.end() == 0
