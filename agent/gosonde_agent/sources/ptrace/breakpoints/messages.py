"""What the tracer is asked for, and what it says: one JSON object in each packet."""

import json
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gosonde_agent.sources.ptrace.breakpoints.points import Breakpoint

MOST_BYTES = 1 << 16
#: Commands, and what is said of them and of the process.
ARM, DISARM, READY, ARMED, DISARMED, OVER, FAILED = "arm", "disarm", "ready", "armed", "disarmed", "over", "failed"
#: Why it is over.
EXEC, ENDED, HARM, UNGUARDED, REPLACED, ASKED = "exec", "ended", "harm", "unguarded", "replaced", "asked"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a tracer is to do.

    Attributes:
        start_ticks: When the process began, as /proc has it.
        points: In the order of writing.
        gopc, startpc: Where a g has its site, and where it began.
    """

    pid: int
    start_ticks: int
    points: Sequence[Breakpoint]
    gopc: int
    startpc: int

    def encoded(self) -> str:
        """As `decoded` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def decoded(cls, text: str) -> "Plan":
        """What `encoded` has written."""
        found = json.loads(text)
        return cls(**{**found, "points": tuple(Breakpoint(**point) for point in found["points"])})


def send(channel: socket.socket, **message: object) -> None:
    """Sends a message if there is room for it and somebody to read it."""
    try:
        channel.send(json.dumps(message).encode()[:MOST_BYTES], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        return


def received(channel: socket.socket, seconds: float) -> dict[str, Any] | None:
    """The next message, waited for so long; None at the end.

    Raises:
        TimeoutError: There was none in time.
    """
    channel.settimeout(seconds)
    try:
        packet = channel.recv(MOST_BYTES)
    except BlockingIOError as error:
        raise TimeoutError from error
    except ConnectionError:
        return None
    return dict(json.loads(packet)) if packet else None
