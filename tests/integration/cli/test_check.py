"""`gosonde check` on programs that leak, that do not, that fail, and that end before anything is known."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.host import procfs

from tests import go_programs, labelled_programs
from tests.go_programs import GoProgram

GOSONDE = str(Path(sys.executable).parent / "gosonde")
PATIENCE_S = 240
#: Nothing alive can wake its goroutines, so that ten seconds are enough.
(LOST,) = [label for label in labelled_programs.leaky() if label.name == "leaky/channel_send"]


def short(*arguments: str) -> tuple[str, ...]:
    """A command that ends by itself; without arguments it fails."""
    return "--", str(go_programs.build("short")), *arguments


def check(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [GOSONDE, "check", *arguments]
    # The programs end when nobody can ask them anything any more: their standard input stays open.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        code = running.wait(PATIENCE_S)
        return subprocess.CompletedProcess(command, code, running.stdout.read(), running.stderr.read())


def started(*arguments: str) -> "subprocess.Popen[str]":
    """A check that is not waited for, once its command says that it is ready."""
    command = [GOSONDE, "check", *arguments]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert '"ready":true' in running.stdout.readline()
    return running


def child_of(pid: int) -> int:
    (child,) = procfs.children(pid)
    return child


def test_a_running_program_that_leaks_fails_without_ebpf_and_what_is_allowed_does_not(
    go_program: Callable[..., GoProgram], tmp_path: Path
) -> None:
    program, report, allow = go_program(LOST.name, "50ms"), tmp_path / "report", tmp_path / "allow"
    allow.write_text(f"* */{LOST.file}\nmain.gone\n")
    options = ("--source", "memory", "--format", "json", "--output", str(report), str(program.pid))
    assert check(*options).returncode == 1
    (leak,) = json.loads(report.read_text())["leaks"]
    assert LOST.is_site(leak["function"], leak["file"], leak["line"])
    done = check("--allow", str(allow), *options)
    assert (done.returncode, json.loads(report.read_text())["leaks"]) == (0, [])
    assert f"matches nothing: {allow}:2: main.gone" in done.stderr


@pytest.mark.usefixtures("ebpf")
def test_a_command_that_leaks_fails_and_is_stopped_when_its_time_is_over(tmp_path: Path) -> None:
    report = tmp_path / "report"
    options = ("--duration", "8", "--format", "json", "--output", str(report))
    done = check(*options, "--", str(go_programs.build(LOST.name)), "50ms")
    found = json.loads(report.read_text())
    assert (done.returncode, found["command_exit_code"]) == (1, None)
    assert [leak["line"] for leak in found["leaks"]] == [LOST.line]
    assert not Path(f"/proc/{found['pid']}").exists()


def test_a_healthy_program_passes_without_ebpf(go_program: Callable[..., GoProgram]) -> None:
    done = check("--source", "memory", "--duration", "5", str(go_program("healthy/worker_pool").pid))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing looks like a leak" in done.stdout


@pytest.mark.usefixtures("ebpf")
def test_a_command_that_ends_passes_and_one_that_fails_is_told_apart_from_a_leak() -> None:
    assert check(*short("100")).returncode == 0
    failed = check(*short())
    assert failed.returncode == 4
    assert "the command exited with 2" in failed.stdout


def test_a_command_of_which_nothing_was_read_is_no_success() -> None:
    done = check("--source", "memory", *short("100"))
    assert done.returncode == 5, done.stdout + done.stderr


@pytest.mark.usefixtures("ebpf")
def test_goroutines_that_became_more_for_seconds_are_no_failure_and_no_all_clear() -> None:
    done = check("--duration", "8", "--", str(go_programs.build("healthy/listeners")))
    said = " ".join(done.stdout.split())
    assert done.returncode == 0, said
    assert "too early to say whether 1 go statement leaks" in said
    assert "nothing looks like a leak" not in said


@pytest.mark.usefixtures("ebpf")
def test_a_command_that_a_signal_ends_has_failed() -> None:
    with started("--duration", "60", "--", str(go_programs.build("healthy/worker_pool"))) as running:
        os.kill(child_of(running.pid), signal.SIGKILL)
        out, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 4, out
    assert "the command was ended by signal 9" in out


@pytest.mark.usefixtures("ebpf")
def test_a_command_that_becomes_another_program_is_no_success() -> None:
    pool = str(go_programs.build("healthy/worker_pool"))
    with started("--duration", "60", "--", str(go_programs.build("execer")), "10", pool) as running:
        out, _ = running.communicate("exec\n", timeout=PATIENCE_S)
    assert running.returncode == 5, out
    assert "by exec it became" in " ".join(out.split())


def test_what_cannot_be_checked_does_not_look_like_a_leak() -> None:
    assert check("4194304").returncode == 5
    assert check("--", "no-such-command").returncode == 5
    assert check("--allow", "/nowhere", "1").returncode == 2
    assert check().returncode == 2
    assert check("--json", "--format", "sarif", "1").returncode == 2
