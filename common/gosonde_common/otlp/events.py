"""Events that wait to be sent: a bounded number of them."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from gosonde_common.otlp.counts import LOGS, Counts
from gosonde_common.otlp.outcome import Reason
from gosonde_common.otlp.targets import Target

#: Events that may wait; the oldest are dropped first.
MAX_EVENTS: Final = 1_000


class Severity(IntEnum):
    """SeverityNumber of OpenTelemetry's logs."""

    INFO = 9
    WARN = 13
    ERROR = 17


@dataclass(frozen=True, slots=True)
class Event:
    """A log record with a name.

    Attributes:
        identity: Of two events with the same one only one is ever sent.
        unix_nano: When it happened.
    """

    identity: tuple[str, str]
    name: str
    unix_nano: int
    severity: Severity
    body: str
    target: Target
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)


class Events:
    """A queue. Any thread may add; one sends."""

    def __init__(self, counts: Counts, most: int = MAX_EVENTS) -> None:
        self._counts = counts
        self._most = most
        self._waiting: deque[Event] = deque()
        self._lock = threading.Lock()
        self.on_added: Callable[[], None] = lambda: None
        self.on_sent: Callable[[Sequence[Event]], None] = lambda _: None

    def add(self, event: Event) -> None:
        """Drops and counts the oldest when there are too many."""
        with self._lock:
            self._waiting.append(event)
            if len(self._waiting) > self._most:
                self._waiting.popleft()
                self._counts.dropped(LOGS, Reason.QUEUE, 1)
            self._counts.queued = len(self._waiting)
        self.on_added()

    def oldest(self, most: int) -> list[Event]:
        """So many, the oldest first; they stay."""
        with self._lock:
            return [self._waiting[place] for place in range(min(most, len(self._waiting)))]

    def remove(self, events: Sequence[Event]) -> None:
        """They were sent, or will never be."""
        gone = set(map(id, events))
        with self._lock:
            self._waiting = deque(event for event in self._waiting if id(event) not in gone)
            self._counts.queued = len(self._waiting)
