"""What the agent notes of each change of what it probes, pulls or reloads, until an observation takes it along."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

from gosonde_common.clock import steady_unix_nano
from gosonde_common.foreign import bounded
from gosonde_common.values.audit import MAX_DETAIL, MAX_WHO, Act, Actor, AuditEvent

#: Loss counter of what is beyond the next two, or that the spool had to drop.
DROPPED: Final = "audit_events_dropped"
#: Events of one kind of actor that wait for an observation. What the agent does by itself comes from programs that
#: begin and end, all others from who asks: nobody's acts take the room of another kind's.
MOST_OF_AGENT, MOST_OF_OTHERS = 4_096, 64
#: Readings that are repeated within so long are one event: who looks on asks each second.
REPEAT_SECONDS: Final = 60.0
#: Readings that are remembered for that.
MOST_READINGS: Final = 1_024


class Trail:
    """Of one run of the agent; any thread may note and take."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._events: list[AuditEvent] = []
        self._waiting: Counter[Actor] = Counter()
        self._readings: OrderedDict[tuple[Act, str, int], float] = OrderedDict()
        self._ordinal = 0
        self._dropped = 0

    def note(
        self, act: Act, actor: Actor, who: str = "", *, pid: int = 0, detail: str = "", at_unix_nano: int = 0
    ) -> None:
        """Notes that something was done, now or at a moment. What is dropped has a number, too."""
        most = MOST_OF_AGENT if actor is Actor.AGENT else MOST_OF_OTHERS
        at_unix_nano = at_unix_nano or steady_unix_nano()
        with self._lock:
            ordinal, self._ordinal = self._ordinal, self._ordinal + 1
            if self._waiting[actor] >= most:
                self._dropped += 1
                return
            self._waiting[actor] += 1
            cut = bounded(who, MAX_WHO), pid, "", bounded(detail, MAX_DETAIL)
            self._events.append(AuditEvent(ordinal, at_unix_nano, act, actor, *cut))

    def note_reading(self, act: Act, who: str, pid: int) -> None:
        """Notes that who asks at the agent's socket reads a process; for a minute, once."""
        reading, now = (act, who, pid), self._clock()
        with self._lock:
            if now - self._readings.get(reading, -REPEAT_SECONDS) < REPEAT_SECONDS:
                return
            self._readings.pop(reading, None)
            self._readings[reading] = now
            if len(self._readings) > MOST_READINGS:
                self._readings.popitem(last=False)
        self.note(act, Actor.LOCAL, who, pid=pid)

    def take(self) -> tuple[AuditEvent, ...]:
        """What was noted since it was taken last."""
        with self._lock:
            events, self._events = tuple(self._events), []
            self._waiting.clear()
        return events

    def losses(self) -> dict[str, int]:
        """What found no room, by name, since the start."""
        return {DROPPED: self._dropped}
