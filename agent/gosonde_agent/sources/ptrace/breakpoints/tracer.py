"""The tracer: a process of its own that puts breakpoints into another one, counts, and takes them out again.

It ends with whoever started it: when the other end of its socket is closed, it takes the breakpoints out in order. It
waits for nobody but the process's threads.
"""

import contextlib
import fcntl
import gc
import os
import signal
import socket
import time

from gosonde_common.errors import GosondeError

from gosonde_agent.host import procfs
from gosonde_agent.model.errors import NoSuchProcessError
from gosonde_agent.sources.ptrace import calls, threads
from gosonde_agent.sources.ptrace.breakpoints import guard, messages
from gosonde_agent.sources.ptrace.breakpoints.harm import Harm
from gosonde_agent.sources.ptrace.breakpoints.hits import Hits
from gosonde_agent.sources.ptrace.breakpoints.messages import Plan
from gosonde_agent.sources.ptrace.breakpoints.table import IS_ARMED, REPLACED, Table
from gosonde_agent.sources.ptrace.breakpoints.text import Text
from gosonde_agent.sources.ptrace.breakpoints.tracees import Tracees

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WAKING = {signal.SIGCHLD, signal.SIGIO, *ENDING}
#: Stops that are handled between two looks for a command.
MOST_STOPS = 64
#: Between two looks at what the breakpoints do, and whether they are still there.
LOOK_SECONDS, CHECK_SECONDS = 0.1, 1.0
#: How long threads are waited for that run and do not stop, unless it is the end.
LEAVING_SECONDS = 10.0


class Tracer:
    """One process and its breakpoints; the socket says when they are to be there.

    Raises:
        GosondeError: They cannot be put in; the process is as it was.
    """

    def __init__(self, plan: Plan, channel: socket.socket, table: Table) -> None:
        self._plan = plan
        self._channel = channel
        self._table = table
        self._text = Text(plan.pid)
        self._hits = Hits(plan, self._text, table)
        self._tracees = Tracees(plan.pid, plan.points, self._hits.hit)
        self._text.try_to_write(plan.points)
        self._guard = guard.start(self._text, plan.points, table)
        self._over = ""
        self._is_armed = False
        self._is_long = False
        self._until = 0.0
        self._look_at = self._check_at = 0.0

    def run(self) -> None:
        """Does what the socket says until it ends, or until it is over."""
        messages.send(self._channel, event=messages.READY)
        try:
            while not self._over and self._obey():
                self._turn(LOOK_SECONDS)
                if self._is_armed:
                    self._look(time.monotonic())
        finally:
            self._take_out()
            self._leave(float("inf"))
            self._guard.end()
        if self._over:
            reason, _, message = self._over.partition(":")
            messages.send(self._channel, event=messages.OVER, reason=reason, message=message)

    def _obey(self) -> bool:
        """Does what was asked for; False at the end."""
        with contextlib.suppress(TimeoutError):
            message = messages.received(self._channel, 0)
            if message is None:
                return False
            if message["do"] == messages.ARM:
                self._arm(message["seconds"])
            else:
                if self._is_armed:
                    self._disarm()
                messages.send(self._channel, event=messages.DISARMED)
        return True

    def _turn(self, seconds: float) -> None:
        """Handles what happens, or waits for that."""
        found = signal.sigtimedwait(WAKING, seconds)
        if found is not None and found.si_signo in ENDING:
            self._over = self._over or messages.ASKED + ":the tracer was asked to end"
        self._hits.woken_ns = time.monotonic_ns()
        self._hits.harm.woke()
        for _ in range(MOST_STOPS):
            try:
                thread, status = os.waitpid(-1, calls.WALL | os.WNOHANG)
            except ChildProcessError:
                return
            if not thread:
                return
            self._changed(thread, status)
        os.kill(os.getpid(), signal.SIGCHLD)  # there is more

    def _changed(self, thread: int, status: int) -> None:
        if thread == self._guard.pid:
            self._over = self._over or messages.UNGUARDED + ":the guard has ended"
            return
        self._tracees.stopped(thread, status)
        if self._tracees.has_exec:
            self._is_armed = False
            self._over = messages.EXEC + ":the process runs another program"
        elif self._is_armed and not self._tracees.threads:
            self._is_armed = False
            self._over = messages.ENDED + ":the process has ended"

    # --- putting in and taking out -----------------------------------------------------------------------------------

    def _arm(self, seconds: float) -> None:
        """For so long at most; 0 for as long as they do no harm."""
        if self._is_armed:
            self._disarm()
        try:
            self._tracees.seize()
            self._check_identity()
            self._text.try_to_write(self._plan.points)
        except GosondeError as error:
            self._leave(LEAVING_SECONDS)
            self._fail(error)
            return
        if not self._guard.is_there:
            self._over = messages.UNGUARDED + ":the guard has ended"
            self._leave(LEAVING_SECONDS)
            return
        self._table.words[IS_ARMED] = 1
        now = time.monotonic()
        self._is_armed, self._is_long, self._until = True, not seconds, now + (seconds or float("inf"))
        self._hits.harm, self._look_at, self._check_at = (
            Harm(now, _waited_ns()),
            now + LOOK_SECONDS,
            now + CHECK_SECONDS,
        )
        are_there = [self._text.arm(point) for point in self._plan.points]
        if not all(are_there):
            self._over = messages.REPLACED + ":the text could not be written"
        messages.send(self._channel, event=messages.ARMED)

    def _check_identity(self) -> None:
        if procfs.start_of(self._plan.pid).ticks != self._plan.start_ticks:
            raise NoSuchProcessError(f"process {self._plan.pid} has ended, and another one has its number")

    def _fail(self, error: GosondeError) -> None:
        messages.send(self._channel, event=messages.FAILED, error=type(error).__name__, message=str(error))

    def _look(self, now: float) -> None:
        if now > self._until:
            self._disarm()
        elif now >= self._look_at and self._is_long:
            self._look_at = now + LOOK_SECONDS
            if why := self._hits.harm.too_much(now, _waited_ns()):
                self._over = f"{messages.HARM}:{why}"
        if now >= self._check_at and self._is_armed:
            self._check_at = now + CHECK_SECONDS
            if self._text.replaced(self._plan.points):
                self._over = messages.REPLACED + ":another program has written over the breakpoints"

    def _disarm(self) -> None:
        """Takes the breakpoints out, and lets go of every thread when none can be at one any more."""
        self._take_out()
        self._leave(LEAVING_SECONDS)

    def _take_out(self) -> None:
        if self._is_armed:
            self._is_armed = False
            self._table.words[REPLACED] += self._text.restore(self._plan.points)
            self._table.words[IS_ARMED] = 0

    def _leave(self, seconds: float) -> None:
        """Lets go of threads; those that are late are let go when they stand, or when the tracer ends."""
        self._tracees.leave()
        end = time.monotonic() + seconds
        while self._tracees.late() and time.monotonic() < end:
            self._turn(0.001)


def _waited_ns() -> int:
    """How long this process has waited for a CPU; 0 where the kernel keeps no such account."""
    times = threads.times(os.getpid())
    return sum(waited for _cpu, waited in times.values())


def main(fd: int, table_fd: int, plan: str) -> None:
    """Runs a tracer for whoever has the other end of the socket `fd`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKING)
    gc.disable()
    guard.be_quick(guard.TRACER)
    with socket.socket(fileno=fd) as channel:
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
        try:
            tracer = Tracer(Plan.decoded(plan), channel, Table(table_fd))
        except GosondeError as error:
            messages.send(channel, event=messages.FAILED, error=type(error).__name__, message=str(error))
            return
        tracer.run()
