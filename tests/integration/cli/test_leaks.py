"""`gosonde leaks` on running programs: what is proved, who holds the others, and what is said when neither can be."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import go_programs
from tests.go_programs import GoProgram, site_line

GOSONDE = str(Path(sys.executable).parent / "gosonde")
Start = Callable[..., GoProgram]
PATIENCE_S = 240


def leaks(pid: int, *flags: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user would."""
    command = [GOSONDE, "leaks", str(pid), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def document(pid: int) -> dict[str, Any]:
    done = leaks(pid, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_leak_is_proved_with_its_cause_and_what_it_retains(go_program: Start) -> None:
    program = go_program("leaky/channel_send", "50ms")
    time.sleep(1)
    found = document(program.pid)
    assert found["decided"]
    (site,) = [site for site in found["sites"] if site["proved"]]
    assert (site["function"], site["line"]) == ("main.ask", site_line("leaky/channel_send", "ask"))
    assert site["start_function"] == "main.ask.func1"
    assert 10 <= site["proved"] <= site["live"]
    assert site["proved"] == found["proved"]
    assert site["cause"] == "channel-send"
    assert "make(chan T, 1)" in site["remedy"]
    assert site["retained_stack_bytes"] >= 2_048 * site["proved"]
    assert site["retained_heap_bytes"] > 0


def test_with_exit_code_a_proof_is_1_and_none_is_0(go_program: Start) -> None:
    leaking = go_program("leaky/nil_channel_receive", "50ms")
    time.sleep(0.5)
    healthy = go_program("healthy/worker_pool")
    assert leaks(leaking.pid, "--exit-code").returncode == 1
    done = leaks(healthy.pid, "--exit-code")
    assert done.returncode == 0
    assert "no leak is proved or suspected" in done.stdout


def test_a_leak_that_a_variable_holds_is_not_proved_and_the_variable_is_named(go_program: Start) -> None:
    program = go_program("leaky/channel_receive", "20ms")
    time.sleep(0.5)
    ends: set[tuple[str, str]] = set()
    while ("main.pending", "channel of main.reply") not in ends:  # the map grows: what is just moved has no name
        found = document(program.pid)
        (site,) = [site for site in found["sites"] if site["function"] == "main.subscribe"]
        assert (found["proved"], site["proved"]) == (0, 0)
        ends = {(holder["path"][0], holder["path"][-1]) for holder in site["held_by"]}
    assert any("none exited" in sentence for sentence in site["evidence"])


def test_goroutines_of_the_runtime_itself_are_not_listed(go_program: Start) -> None:
    found = document(go_program("leaky/select_empty").pid)
    assert [site for site in found["sites"] if site["function"].startswith("runtime.")] == []


def test_a_program_with_c_in_it_is_not_decided_and_says_why() -> None:
    executable = go_programs.build("churn", env={"CGO_ENABLED": "1"}, flags=("-tags=withcgo",))
    with GoProgram(executable) as program:
        found = document(program.pid)
    assert not found["decided"]
    assert "code that is not Go" in found["why"]
    assert found["proved"] == 0


def test_a_process_that_ends_meanwhile_is_an_error_that_says_so(go_program: Start) -> None:
    program = go_program("leaky/channel_send", "20ms")
    with subprocess.Popen([GOSONDE, "leaks", str(program.pid)], stderr=subprocess.PIPE, text=True) as running:
        time.sleep(3)
        program.kill()
        _, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1
    assert str(program.pid) in err
    assert "Traceback" not in err


def test_a_process_that_is_no_go_program_is_refused() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        done = leaks(process.pid)
        process.kill()
    assert done.returncode == 3
    assert "not a Go binary" in done.stderr
