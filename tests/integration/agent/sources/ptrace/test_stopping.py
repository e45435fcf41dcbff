"""A process stands for a moment and is let go, whatever happens; or it is refused with the reason."""

import os
import signal
import subprocess
import sys
import time
from typing import NoReturn

import pytest
from gosonde_agent.model.errors import NoSuchProcessError
from gosonde_agent.sources.ptrace.deadline import Deadline
from gosonde_agent.sources.ptrace.errors import AlreadyTracedError, NotStoppedError, TooManyThreadsError
from gosonde_agent.sources.ptrace.stopping import MAX_THREADS, while_stopped
from gosonde_agent.sources.registers import Registers
from gosonde_common.errors import GosondeError

from tests.integration.agent.sources.ptrace.targets import (
    as_nobody,
    forked,
    hide_as_nobody,
    running,
    state,
    tracer,
    wait_for,
)

#: A deadline that a busy host keeps.
LONG = 30.0
RESTS = "import time; print('ready', flush=True); time.sleep(600)"
TURNS = "print('ready', flush=True)\nwhile True: pass"
HAS_THREADS = """
import threading, time
threading.stack_size(1 << 16)
for _ in range({}): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print('ready', flush=True); time.sleep(600)
"""
MAKES_THREADS = """
import threading
print('ready', flush=True)
while True:
    made = [threading.Thread(target=sum, args=(range(1000),)) for _ in range(8)]
    for one in made: one.start()
    for one in made: one.join()
"""
IN_VFORK = "import ctypes, time; print('ready', flush=True); ctypes.PyDLL(None).vfork(); time.sleep(600)"
EXECS = """
import os, sys, threading
left = int(sys.argv[1]) if len(sys.argv) > 1 else 20
print('ready', flush=True)
if left:
    args = [sys.executable, '-S', '-c', os.environ['CODE'], str(left - 1)]
    threading.Thread(target=os.execv, args=(sys.executable, args)).start()
"""
COUNTS = """
import os, signal
os.set_blocking(1, False)
signal.signal(signal.SIGRTMIN, lambda *_: None)
signal.set_wakeup_fd(1, warn_on_full_buffer=False)
print('ready', flush=True)
while True: pass
"""
HOLDS = """
import sys, time
from gosonde_agent.sources.ptrace.stopping import while_stopped
def hold(*_):
    print('held', flush=True)
    time.sleep(600)
while_stopped(int(sys.argv[1]), hold, 30.0)
"""


def registers(found: Registers, _deadline: Deadline) -> Registers:
    """What is taken of a process of which only the registers are of interest."""
    return found


def free(pid: int) -> bool:
    """Whether nobody traces a process, and it is not stopped."""
    return tracer(pid) == 0 and state(pid) in "RSD"


def test_every_thread_of_a_process_is_seen_with_its_registers() -> None:
    with running(HAS_THREADS.format(49)) as target:
        found = while_stopped(target.pid, registers, LONG)
        assert set(found) == {int(name) for name in os.listdir(f"/proc/{target.pid}/task")}  # noqa: PTH208
        assert len(found) == 50
        assert all(one.pc and one.sp and one.fs_base for one in found.values())
        wait_for(lambda: free(target.pid))


def test_a_process_stands_while_it_is_looked_at_and_only_then() -> None:
    with running(TURNS) as target:
        assert while_stopped(target.pid, lambda *_: (state(target.pid), tracer(target.pid) != 0), LONG) == ("t", True)
        wait_for(lambda: free(target.pid))


def test_threads_that_come_and_go_are_no_trouble() -> None:
    with running(MAKES_THREADS) as target:
        for _ in range(50):
            assert target.pid in while_stopped(target.pid, registers, LONG)
        assert target.poll() is None
        wait_for(lambda: free(target.pid))


def test_an_error_lets_the_process_go() -> None:
    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError

    with running(TURNS) as target:
        with pytest.raises(ZeroDivisionError):
            while_stopped(target.pid, fail, LONG)
        wait_for(lambda: free(target.pid))


def test_a_deadline_lets_the_process_go() -> None:
    def dawdle(_found: Registers, deadline: Deadline) -> None:
        while True:
            time.sleep(0.001)
            deadline.check()

    with running(RESTS) as target:
        with pytest.raises(NotStoppedError, match=f"process {target.pid} .*: running goroutines were still being read"):
            while_stopped(target.pid, dawdle, 0.2)
        wait_for(lambda: free(target.pid))


def test_a_thread_that_does_not_stop_ends_the_try_and_nobody_is_held() -> None:
    with running(IN_VFORK) as target:
        wait_for(lambda: state(target.pid) == "D")
        child = _child(target.pid)
        try:
            with pytest.raises(NotStoppedError, match=f"thread {target.pid} waits in the kernel and takes no signal"):
                while_stopped(target.pid, registers, 0.2)
            wait_for(lambda: tracer(target.pid) == 0)
        finally:
            os.kill(child, signal.SIGKILL)
        wait_for(lambda: state(target.pid) != "D")


def _child(pid: int) -> int:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True)
    return int(found.stdout)


def test_a_process_that_another_one_traces_is_refused_with_its_name() -> None:
    with running(RESTS) as target:
        holder = [sys.executable, "-c", HOLDS, str(target.pid)]
        with subprocess.Popen(holder, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            with pytest.raises(
                AlreadyTracedError, match=rf"process {target.pid} is traced already, by process \d+ \(.+\)"
            ):
                while_stopped(target.pid, registers, LONG)
            assert tracer(target.pid) != 0
            other.kill()
        wait_for(lambda: free(target.pid))


def test_another_users_process_is_refused() -> None:
    with running(RESTS) as target:
        found = as_nobody(lambda: while_stopped(target.pid, registers, LONG))
    assert found.startswith(f"NotPermittedError: process {target.pid} may not be stopped: ")
    assert "of user 0: run as that user, or as root" in found or "kernel.yama.ptrace_scope" in found


def test_a_process_that_hides_is_refused_to_its_own_user_and_not_to_root() -> None:
    with forked(hide_as_nobody) as target:
        found = as_nobody(lambda: while_stopped(target, registers, LONG))
        assert found.startswith(f"NotPermittedError: process {target} may not be stopped: ")
        assert "it is protected even from its own user" in found or "kernel.yama.ptrace_scope" in found
        assert target in while_stopped(target, registers, LONG)


def test_a_process_with_too_many_threads_is_refused_before_any_is_stopped() -> None:
    with running(HAS_THREADS.format(MAX_THREADS)) as target:
        with pytest.raises(TooManyThreadsError, match=f"has {MAX_THREADS + 1} threads: at most {MAX_THREADS}"):
            while_stopped(target.pid, registers, LONG)
        assert tracer(target.pid) == 0


def test_a_process_that_has_ended_is_no_process() -> None:
    with running(RESTS) as target:
        target.kill()
        target.wait()
        with pytest.raises(NoSuchProcessError, match=f"there is no process {target.pid}"):
            while_stopped(target.pid, registers, LONG)


def test_a_process_that_ends_while_it_stands_ends_for_its_parent() -> None:
    with running(HAS_THREADS.format(5)) as target:
        while_stopped(target.pid, lambda *_: os.kill(target.pid, signal.SIGKILL), LONG)
        assert target.wait() == -signal.SIGKILL


def test_a_process_that_runs_other_programs_meanwhile_runs_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE", EXECS)
    stops = 0
    with running(EXECS) as target:
        while target.poll() is None:
            try:
                while_stopped(target.pid, registers, LONG)
                stops += 1
            except GosondeError:
                continue  # it was amid an exec
        assert target.returncode == 0
    assert stops


def test_a_stopped_process_stays_stopped_until_it_is_continued() -> None:
    with running(TURNS) as target:
        target.send_signal(signal.SIGSTOP)
        wait_for(lambda: state(target.pid) == "T")
        assert target.pid in while_stopped(target.pid, registers, LONG)
        wait_for(lambda: tracer(target.pid) == 0 and state(target.pid) == "T")
        target.send_signal(signal.SIGCONT)
        wait_for(lambda: free(target.pid))


def test_no_signal_is_lost_or_doubled_by_stops() -> None:
    with running(COUNTS) as target:
        for _ in range(100):
            os.kill(target.pid, signal.SIGRTMIN)
            # Not Popen.send_signal, which asks whether its child has ended, and takes a stop for that.
            while_stopped(target.pid, lambda *_: os.kill(target.pid, signal.SIGRTMIN), LONG)
        assert target.stdout is not None
        counted = 0
        while counted < 200:
            counted += len(os.read(target.stdout.fileno(), 1 << 16))
        assert counted == 200
        os.set_blocking(target.stdout.fileno(), False)
        with pytest.raises(BlockingIOError):
            os.read(target.stdout.fileno(), 1)


def test_a_process_runs_on_when_who_holds_it_is_killed() -> None:
    with running(TURNS) as target:
        for _ in range(10):
            holder = [sys.executable, "-c", HOLDS, str(target.pid)]
            with subprocess.Popen(holder, stdout=subprocess.PIPE, text=True) as other:
                assert other.stdout is not None
                assert other.stdout.readline() == "held\n"
                assert state(target.pid) == "t"
                other.kill()
            wait_for(lambda: free(target.pid))


def test_a_stop_that_came_to_nothing_is_no_obstacle_to_the_next_one() -> None:
    with running(IN_VFORK) as target:
        wait_for(lambda: state(target.pid) == "D")
        child = _child(target.pid)
        try:
            for _ in range(5):
                with pytest.raises(NotStoppedError):
                    while_stopped(target.pid, registers, 0.001)
                assert tracer(target.pid) == 0
        finally:
            os.kill(child, signal.SIGKILL)
