"""A program stands before its first instruction until it is let go, and runs at once where nobody may trace it."""

import signal
import subprocess
from pathlib import Path

import pytest
from gosonde_agent.sources.ptrace import calls
from gosonde_agent.sources.ptrace.held_start import HeldStart

SH = "/bin/sh"
PATIENCE_S = 60


def test_it_does_nothing_before_it_is_let_go(tmp_path: Path) -> None:
    made = tmp_path / "made"
    held = HeldStart(["sh", "-c", f"echo it runs > {made}; exit 7"], SH)
    assert held.stands
    with pytest.raises(subprocess.TimeoutExpired):
        held.child.wait(0.3)
    assert not made.exists()
    held.let_go()
    held.let_go()
    assert held.child.wait(PATIENCE_S) == 7
    assert made.read_text() == "it runs\n"


def test_a_signal_that_came_meanwhile_is_not_lost() -> None:
    held = HeldStart(["sh", "-c", "sleep 600"], SH)
    held.child.send_signal(signal.SIGTERM)
    held.let_go()
    assert held.child.wait(PATIENCE_S) == -signal.SIGTERM


def test_where_the_kernel_lets_nobody_trace_it_runs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise PermissionError

    monkeypatch.setattr(calls, "trace_me", refused)
    held = HeldStart(["sh", "-c", "exit 7"], SH)
    assert not held.stands
    assert held.child.wait(PATIENCE_S) == 7


def test_what_cannot_be_run_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        HeldStart(["nothing"], "/no/such/program")
