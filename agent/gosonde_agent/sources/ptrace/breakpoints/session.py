"""The side that starts a tracer, says when breakpoints are to be there, and reads what was counted."""

import contextlib
import socket
import subprocess
import sys
from dataclasses import dataclass

from gosonde_common.errors import GosondeError, UnavailableError

from gosonde_agent.model.errors import NoSuchProcessError, NotPermittedError, UnreadableFileError
from gosonde_agent.sources.ptrace.breakpoints import holders, messages
from gosonde_agent.sources.ptrace.breakpoints.messages import Plan
from gosonde_agent.sources.ptrace.breakpoints.table import Table
from gosonde_agent.sources.ptrace.errors import (
    AlreadyTracedError,
    TextChangedError,
    TooManyThreadsError,
    UnguardedTextError,
)

ERRORS = {
    kind.__name__: kind
    for kind in (
        *(AlreadyTracedError, NoSuchProcessError, NotPermittedError, TextChangedError, TooManyThreadsError),
        *(UnguardedTextError, UnreadableFileError),
    )
}
ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Over:
    """Why there are no breakpoints any more: one of the reasons in `messages`, and a sentence."""

    reason: str
    message: str


class Session:
    """One process that can have breakpoints; close it in the end.

    Attributes:
        table: What was counted.
        over: Why it is over, once that is known; see `look`.

    Raises:
        GosondeError: It cannot have them; it is as it was.
    """

    def __init__(self, plan: Plan) -> None:
        self._pid = plan.pid
        self.table = Table.new()
        self.over: Over | None = None
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        find = f"import sys; sys.path[:] = {sys.path!r}"
        run = "from gosonde_agent.sources.ptrace.breakpoints.tracer import main"
        with there:
            call = f"main({there.fileno()}, {self.table.fd}, {plan.encoded()!r})"
            self.tracer = subprocess.Popen(
                [sys.executable, "-P", "-c", f"{find}; {run}; {call}"],
                pass_fds=[there.fileno(), self.table.fd],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._channel = here
        try:
            self._wait_for(messages.READY)
        except BaseException:
            self.close()
            raise

    def arm(self, seconds: float = 0.0) -> None:
        """Has breakpoints put in, for so long at most; 0 for as long as they do no harm. Returns when they are there.

        Raises:
            GosondeError: They cannot be put in now.
        """
        messages.send(self._channel, do=messages.ARM, seconds=seconds)
        self._wait_for(messages.ARMED)

    def disarm(self) -> None:
        """Has them taken out; returns when no thread can be at one any more."""
        messages.send(self._channel, do=messages.DISARM)
        if not self.over:
            self._wait_for(messages.DISARMED)

    def look(self) -> Over | None:
        """Why it is over, if it is."""
        if self._channel.fileno() < 0:
            return self.over
        with contextlib.suppress(TimeoutError):
            while not self.over and (message := messages.received(self._channel, 0)):
                self._note(message)
        return self.over

    def _wait_for(self, event: str) -> None:
        while not self.over:
            try:
                message = messages.received(self._channel, ANSWER_SECONDS)
            except TimeoutError as error:
                raise UnavailableError("the process that sets breakpoints does not answer") from error
            if message is None:
                raise UnavailableError("the process that sets breakpoints has ended")
            if message["event"] == event:
                return
            self._note(message)
        if event != messages.DISARMED:
            raise NoSuchProcessError(self.over.message)

    def _note(self, message: dict[str, str]) -> None:
        if message["event"] == messages.FAILED:
            if message["error"] == TextChangedError.__name__:
                raise TextChangedError(message["message"] + holders.said(self._pid))
            raise ERRORS.get(message["error"], GosondeError)(message["message"])
        if message["event"] == messages.OVER:
            self.over = Over(message["reason"], message["message"])

    def close(self) -> None:
        """Has the breakpoints taken out and the tracer end; returns when both are done. It may be called again.

        A tracer that waits for threads which do not stop, since the process is frozen, is left behind to that.
        """
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.tracer.wait(ANSWER_SECONDS)
        self.table.close()
