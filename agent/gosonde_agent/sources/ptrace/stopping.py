"""Has all threads of a process stand for a moment, and lets them go, whatever happens meanwhile.

All of it is done by a thread of its own: the kernel lets go of what a thread traces when that thread ends, also of
threads that have not stopped yet, and also when this process is killed.
"""

import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from gosonde_agent.host import procfs
from gosonde_agent.model.errors import NoSuchProcessError, NotPermittedError
from gosonde_agent.sources.ptrace import calls, threads
from gosonde_agent.sources.ptrace.calls import State
from gosonde_agent.sources.ptrace.deadline import SECONDS, Deadline
from gosonde_agent.sources.ptrace.errors import TooManyThreadsError
from gosonde_agent.sources.registers import Registers

MAX_THREADS = 1_000
#: Between two looks at threads that are to stop.
PAUSE_SECONDS = 0.000_02

Result = TypeVar("Result")
#: What is done while all threads stand; to call the deadline's `check` between its steps.
Take = Callable[[Registers, Deadline], Result]


def while_stopped(pid: int, take: Take[Result], seconds: float = SECONDS) -> Result:
    """What `take` returns, called while all threads of a process stand; it is let go after `seconds` at the latest.

    Raises:
        UnsupportedError: This is not amd64.
        AlreadyTracedError: Another program traces it.
        NotPermittedError: The kernel refuses.
        TooManyThreadsError: It has more than MAX_THREADS threads.
        NotStoppedError: The deadline has passed.
        NoSuchProcessError: It has ended.
        Exception: Whatever `take` raises.
    """
    calls.check_machine()
    procfs.check_numbers()
    outcome: list[Result] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with _no_collections():
                outcome.append(_stopped(pid, take, seconds))
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=work, name="stop", daemon=True)
    worker.start()
    number = worker.native_id
    worker.join()
    _wait_for_end(number)
    if failures:
        raise failures[0]
    return outcome[0]


def _wait_for_end(thread: int | None) -> None:
    """Returns when a thread of this process is gone, and with it what it traced; it has nothing more to do."""
    end = time.monotonic() + 1
    while Path(f"/proc/self/task/{thread}").exists() and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)


def _stopped(pid: int, take: Take[Result], seconds: float) -> Result:
    stop = _Stop(pid)
    try:
        stop.begin(seconds)
        return take(stop.registers(), stop.deadline)
    finally:
        stop.end()


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Python's garbage collector could hold up the target."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Stop:
    """One stop of one process; to be used by one thread."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._is_nested = threads.inner_number(pid, pid) != pid
        self._has_own_parent = not threads.is_own_child(pid)
        self._seen: set[int] = set()
        self._running: set[int] = set()
        #: The signal that each thread that stands is about to get, or 0.
        self._standing: dict[int, int] = {}

    def begin(self, seconds: float) -> None:
        """Returns when all threads stand; until then they may make new ones."""
        self.deadline = Deadline(self._pid, seconds)
        fresh = self._fresh()
        # One that waits for a CPU or for a device is late: none that could run on waits for it.
        late = {thread for thread in fresh if not threads.sleeps(self._pid, thread)}
        for some in (late, fresh - late):
            self._have_stand(some)
        while fresh := self._fresh():
            self._have_stand(fresh)
        if not self._standing:
            raise NoSuchProcessError(f"there is no process {self._pid}, or it has just ended")

    def _fresh(self) -> set[int]:
        found = set(threads.listed(self._pid))
        if len(found) > MAX_THREADS:
            message = f"process {self._pid} has {len(found)} threads: at most {MAX_THREADS} are stopped at once"
            raise TooManyThreadsError(message)
        return found - self._seen

    def _have_stand(self, wanted: set[int]) -> None:
        """All are traced before the first is interrupted: until then nobody stands."""
        for thread in [thread for thread in wanted if self._seize(thread)]:
            if calls.interrupt(thread):
                self._running.add(thread)
        self._wait()

    def _seize(self, thread: int) -> bool:
        self._seen.add(thread)
        try:
            return calls.seize(thread)
        except NotPermittedError as error:
            if not threads.has_ended(self._pid, thread):
                raise threads.refusal(self._pid, thread) from error
            return False

    def _wait(self) -> None:
        while self._running:
            for thread in list(self._running):
                self._look(thread)
            if self._running and self.deadline.is_over:
                late = min(self._running)
                raise self.deadline.error(f"thread {late} {threads.why_running(self._pid, late)}")
            if self._running:
                time.sleep(PAUSE_SECONDS)

    def _look(self, thread: int) -> None:
        state, signal = calls.state(thread, is_reaped=thread != self._pid or self._has_own_parent)
        if state is not State.RUNS:
            self._running.discard(thread)
        if state is State.STANDS:
            self._standing[thread] = signal
            self.deadline.hold()

    def registers(self) -> Registers:
        """Of each thread that stands."""
        number = threads.inner_number if self._is_nested else _as_here
        words = calls.no_words()
        found = ((number(self._pid, thread), calls.registers(thread, words)) for thread in self._standing)
        return {thread: registers for thread, registers in found if registers is not None}

    def end(self) -> None:
        """Lets go of those that stand; the others go when the thread that traces them ends, which is next."""
        for thread, signal in self._standing.items():
            calls.let_go(thread, signal)


def _as_here(_pid: int, thread: int) -> int:
    return thread
