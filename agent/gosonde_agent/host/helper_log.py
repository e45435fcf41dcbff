"""The helper's log: lines to stderr like the agent's, whose own logger would take as much memory as the rest."""

import sys
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from gosonde_common import foreign, journal

#: Refusals that are logged a minute.
MOST_LOGGED = 20


@dataclass(frozen=True, slots=True)
class HelperLog:
    """JSON, or lines for people."""

    json: bool

    def write(self, event: str, level: str, **values: object) -> None:
        """A line; foreign text in it is spelled out."""
        time_of_day = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if self.json:
            values |= {"event": event, "level": level, "timestamp": time_of_day}
            line = journal.prefix(level) + foreign.dumps(values)
        else:
            said = (f"{key}={foreign.shown_within(value)}" for key, value in values.items())
            line = f"{time_of_day} [{level:<9}] {event:<30} {' '.join(said)}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201


class Refusals:
    """Logs what was refused, and no more of it than fits into a log."""

    def __init__(self, log: HelperLog) -> None:
        self._log = log
        self._logged_at: deque[float] = deque(maxlen=MOST_LOGGED)
        self._count = 0

    def note(self, reason: str) -> None:
        """A request was refused."""
        self._count += 1
        now = time.monotonic()
        if len(self._logged_at) < MOST_LOGGED or self._logged_at[0] < now - 60:
            self._logged_at.append(now)
            self._log.write("a request was refused", "warning", reason=reason, refused=self._count)
