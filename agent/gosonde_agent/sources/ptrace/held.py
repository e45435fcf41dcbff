"""Stopping a process through the agent's helper: the helper has it stand, and the agent copies what it must meanwhile.

Between them is a socket of the agent's. The helper sends the registers over it, and lets go when the agent has done, or
when the time is over, whatever the agent does.
"""

import contextlib
import math
import select
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Protocol, TypeVar

from gosonde_common.errors import OverloadedError

from gosonde_agent.sources.ptrace.deadline import SECONDS, Deadline
from gosonde_agent.sources.ptrace.stopping import MAX_THREADS, Take, while_stopped
from gosonde_agent.sources.registers import Registers, ThreadRegisters

#: Least time from one stop to the next, of whichever process.
APART_SECONDS = 10.0
#: Of one thread: the number that the process itself knows it by, pc, sp, fs_base.
THREAD = struct.Struct("<QQQQ")
DONE = b"!"
Result = TypeVar("Result")


class Holding:
    """The helper's side: has processes stand, one at a time and rarely, however often it is asked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turn = Lock()
        self._not_before = float("-inf")

    def hold(self, pid: int, fd: int) -> None:
        """Sends the registers of a process over the socket `fd`, and holds it until DONE comes or SECONDS have passed.

        Raises:
            OverloadedError: A process was held less than APART_SECONDS ago.
            NotStoppedError: The time was over before DONE came, or not all of its threads stood.
            GosondeError: As while_stopped.
        """
        with self._turn:
            now = self._clock()
            if now < self._not_before:
                raise OverloadedError(
                    f"a process was stopped a moment ago: at most one is stopped every {APART_SECONDS:g} s"
                )
            self._not_before = now + APART_SECONDS
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd)
            try:
                while_stopped(pid, lambda found, deadline: _show(channel, found, deadline))
            finally:
                channel.detach()  # whoever opened it closes it


def _show(channel: socket.socket, found: Registers, deadline: Deadline) -> None:
    """Never waits for the agent but until the deadline."""
    data = b"".join(THREAD.pack(thread, *registers) for thread, registers in found.items())
    channel.sendmsg([data], (), socket.MSG_DONTWAIT)
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.poll(math.ceil(1e3 * deadline.left_seconds))
    deadline.check()


class Helper(Protocol):
    """Who holds: see HelperClient."""

    def hold(self, pid: int, fd: int) -> None:
        """See `Holding.hold`."""
        ...


def while_held(helper: Helper, pid: int, take: Take[Result], seconds: float = SECONDS) -> Result:
    """As `while_stopped`, for whoever may not stop a process: `helper` does.

    Raises:
        GosondeError: What the helper had, or whatever `take` raises.
    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, ThreadPoolExecutor(1) as pool:
        asking = pool.submit(helper.hold, pid, there.fileno())
        asking.add_done_callback(lambda _: there.close())
        data = here.recv(THREAD.size * MAX_THREADS)
        if not data:
            asking.result()
        deadline = Deadline(pid, seconds)
        deadline.hold()
        try:
            result = take(_registers(data), deadline)
            with contextlib.suppress(OSError):  # it has been let go of; the helper's answer says so
                here.send(DONE)
        finally:
            here.close()
        asking.result()  # it stood until DONE came
        return result


def _registers(data: bytes) -> Registers:
    return {thread: ThreadRegisters(*registers) for thread, *registers in THREAD.iter_unpack(data)}
