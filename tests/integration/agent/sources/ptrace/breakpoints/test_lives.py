"""Whatever ends, goes on without breakpoints: the program, what it makes of itself, the tracer, its guard."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.sources.ptrace.breakpoints import messages, trap
from gosonde_common.errors import UnavailableError

from tests.go_programs import GoProgram, build, site_line
from tests.integration.agent.sources.ptrace.breakpoints.sessions import by_line, plan, session
from tests.integration.agent.sources.ptrace.targets import state, tracer, wait_for

StartProgram = Callable[..., GoProgram]
ARMS = """
import sys
from tests.integration.agent.sources.ptrace.breakpoints.sessions import plan
from gosonde_agent.sources.ptrace.breakpoints.session import Session
found = Session(plan(int(sys.argv[1]))[0])
found.arm(600.0)
print(found.tracer.pid, flush=True)
sys.stdin.read()
"""


def armed_bytes(pid: int) -> list[int]:
    """What is at the points now."""
    with open(f"/proc/{pid}/mem", "rb") as memory:  # noqa: PTH123
        return [os.pread(memory.fileno(), 1, point.address)[0] for point in plan(pid)[0].points]


def is_whole(pid: int) -> bool:
    """Whether nobody traces a process, and its text is as in its file."""
    return tracer(pid) == 0 and armed_bytes(pid) == [point.original for point in plan(pid)[0].points]


def guard_of(tracer_pid: int) -> int:
    """The guard of a tracer."""
    return int(Path(f"/proc/{tracer_pid}/task/{tracer_pid}/children").read_text().split()[0])


def test_breakpoints_are_there_only_while_they_are_to_be(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        assert is_whole(program.pid)
        found.arm(600.0)
        assert armed_bytes(program.pid) == [trap.BYTE, trap.BYTE]
        found.disarm()
        assert is_whole(program.pid)
        found.arm(600.0)
    assert is_whole(program.pid)


def test_a_window_ends_by_itself_when_nobody_ends_it(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        found.arm(0.05)
        wait_for(lambda: is_whole(program.pid))
        found.disarm()


def test_a_child_by_fork_has_no_breakpoints_and_is_not_counted(go_program: StartProgram) -> None:
    program = go_program("forks")
    with session(program.pid) as found:
        found.arm(600.0)
        for _ in range(10):
            assert program.ask("fork 3") == {"exited": True, "status": 0}
        program.ask("run 5")
        found.disarm()
        assert by_line(program.pid, found)[site_line("forks", "spawn")][0] == 5


def test_another_program_that_it_becomes_is_left_alone(go_program: StartProgram) -> None:
    program = go_program("execer", "5", str(build("churn")))
    with session(program.pid) as found:
        found.arm(600.0)
        program.ask("exec")
        assert program.answer()["ready"]
        wait_for(lambda: found.look() is not None)
        assert found.over is not None
        assert found.over.reason == messages.EXEC
        assert program.ask("run 1000")["exited"] == 1000
        assert tracer(program.pid) == 0


def test_the_end_of_the_program_ends_the_counting_and_its_parent_hears_of_it(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        found.arm(600.0)
        program.ask("quit")
        assert program.wait() == 0
        wait_for(lambda: found.look() is not None)
        assert found.over is not None
        assert found.over.reason == messages.ENDED


def test_a_stopped_program_stays_stopped_until_it_is_continued(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        found.arm(600.0)
        os.kill(program.pid, signal.SIGSTOP)
        wait_for(lambda: state(program.pid) in "Tt")
        found.disarm()
        wait_for(lambda: state(program.pid) == "T" and tracer(program.pid) == 0)
        os.kill(program.pid, signal.SIGCONT)
        assert program.ask("run 100")["exited"] == 100


def test_more_hits_than_do_no_harm_end_it(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        found.arm()
        program.send("run 100000")
        wait_for(lambda: found.look() is not None)
        assert found.over is not None
        assert found.over.reason == messages.HARM
        assert "times a second: more than 500" in found.over.message or "held" in found.over.message
        assert program.answer()["exited"] == 100_000
        wait_for(lambda: is_whole(program.pid))


def test_the_end_of_the_one_who_counts_takes_the_breakpoints_out(go_program: StartProgram) -> None:
    program = go_program("stressed")
    program.ask("start 100")
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", ARMS, str(program.pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as counter:
            assert counter.stdout is not None
            counter.stdout.readline()
            counter.kill()
        wait_for(lambda: is_whole(program.pid))
    assert program.ask("stop")["wrong"] == 0


def test_a_killed_tracer_leaves_no_breakpoints_in_a_program_that_is_at_none(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        found.arm(600.0)
        found.tracer.kill()
        found.tracer.wait()
        wait_for(lambda: is_whole(program.pid))
        assert program.ask("run 1000")["exited"] == 1000
        with pytest.raises(UnavailableError, match="has ended"):
            found.disarm()


def test_a_killed_guard_ends_it(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        found.arm(600.0)
        os.kill(guard_of(found.tracer.pid), signal.SIGKILL)
        wait_for(lambda: found.look() is not None)
        assert found.over is not None
        assert found.over.reason == messages.UNGUARDED
        wait_for(lambda: is_whole(program.pid))
        assert program.ask("run 1000")["exited"] == 1000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_tracer_that_is_told_to_end_takes_the_breakpoints_out(go_program: StartProgram, number: int) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        found.arm(600.0)
        os.kill(found.tracer.pid, number)
        found.tracer.wait()
        assert is_whole(program.pid)


def test_text_that_somebody_else_writes_over_is_noticed_and_left_to_him(go_program: StartProgram) -> None:
    program = go_program("churn")
    point = plan(program.pid)[0].points[0]
    with session(program.pid) as found:
        found.arm(600.0)
        with open(f"/proc/{program.pid}/mem", "r+b", buffering=0) as memory:  # noqa: PTH123
            os.pwrite(memory.fileno(), b"\xcc", point.address)
            wait_for(lambda: found.look() is not None)
            assert found.over is not None
            assert found.over.reason == messages.REPLACED
            found.tracer.wait()
            assert armed_bytes(program.pid)[0] == trap.KERNELS_BYTE
            assert found.table.losses()["breakpoints_replaced"] == 1
            os.pwrite(memory.fileno(), bytes([point.original]), point.address)
        assert program.ask("run 1000")["exited"] == 1000


def test_a_thread_in_a_vfork_holds_nobody_up(go_program: StartProgram) -> None:
    program = go_program("vforks", build_env={"CGO_ENABLED": "1"})
    with session(program.pid) as found:
        program.send("vfork 5000")
        wait_for(lambda: "D" in {state_of_thread(program.pid, one) for one in threads_of(program.pid)})
        for _ in range(3):
            found.arm(600.0)
            found.disarm()
            assert armed_bytes(program.pid) == [point.original for point in plan(program.pid)[0].points]
        assert program.answer()["status"] == 0
        found.arm(600.0)
        program.ask("run 5")
        found.disarm()
        assert by_line(program.pid, found)[site_line("vforks", "spawn")] == (5, 5)


def threads_of(pid: int) -> list[int]:
    """Its threads."""
    return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]


def state_of_thread(pid: int, thread: int) -> str:
    """The letter of /proc."""
    return Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()[0]
