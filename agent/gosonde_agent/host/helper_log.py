"""The helper's log: JSON lines to stderr, as the agent's, whose own logger would take as much memory as the rest."""

import sys
import time
from collections import deque
from datetime import UTC, datetime

from gosonde_common import foreign

#: Refusals that are logged a minute.
MOST_LOGGED = 20


def write(event: str, level: str, **values: object) -> None:
    """A line; foreign text in it is spelled out."""
    line = {**values, "event": event, "level": level, "timestamp": datetime.now(UTC).isoformat()}
    print(foreign.dumps(line), file=sys.stderr, flush=True)  # noqa: T201


class Refusals:
    """Logs what was refused, and no more of it than fits into a log."""

    def __init__(self) -> None:
        self._logged_at: deque[float] = deque(maxlen=MOST_LOGGED)
        self._count = 0

    def note(self, reason: str) -> None:
        """A request was refused."""
        self._count += 1
        now = time.monotonic()
        if len(self._logged_at) < MOST_LOGGED or self._logged_at[0] < now - 60:
            self._logged_at.append(now)
            write("a request was refused", "warning", reason=reason, refused=self._count)
