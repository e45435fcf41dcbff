"""Registers are taken of what a thread does, and not of the system call that it stands in."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from gosonde_agent.host.thread_registers import sampled

from tests.agent_process import eventually

pytestmark = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="other machines do not show it in their registers"),
]


#: Of `nanosleep` and `clock_nanosleep`.
SLEEPS = ("35", "230")


def state(pid: int) -> str:
    """That of the first thread of a process: one letter, as /proc has it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_what_a_thread_has_in_its_registers_in_a_system_call_is_not_taken() -> None:
    with subprocess.Popen(["sleep", "600"]) as sleeping:
        try:
            call = Path(f"/proc/{sleeping.pid}/syscall")
            eventually(lambda: call.read_text().split()[0] in SLEEPS)
            with sampled(sleeping.pid) as registers:
                sleeping.send_signal(signal.SIGSTOP)
                eventually(lambda: state(sleeping.pid) == "T")
                # It is stopped in its call, and sampled when it leaves its CPU: until then it is named here.
                eventually(lambda: not registers.unseen())
                registers.disable()
                assert registers.words().size == 0
        finally:
            sleeping.kill()


def test_what_a_thread_that_runs_has_in_its_registers_is_taken() -> None:
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as looping:
        try:
            with sampled(looping.pid) as registers:
                eventually(lambda: registers.words().size > 0)
        finally:
            looping.kill()
