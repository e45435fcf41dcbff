"""What was known of processes a moment ago, so that many who look at one at the same time cost as much as one."""

import time
from collections.abc import Callable
from typing import Final

from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.web.process_view import ProcessView

#: How long a view is shown, in seconds.
KEPT_S: Final = 2.0
#: Each has a few megabytes when its process has thousands of sites.
MOST_KEPT: Final = 8


class KeptViews:
    """To be used by one thread; `view` asks the store, and `now` is a clock in seconds."""

    def __init__(
        self, view: Callable[[ProcessFilter, str], ProcessView], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._view = view
        self._now = now
        self._kept: dict[tuple[ProcessFilter, str], tuple[float, ProcessView]] = {}

    def of(self, which: ProcessFilter, key: str) -> ProcessView:
        """What is or was just known of a process. Raises as `view`."""
        now = self._now()
        self._kept = {place: kept for place, kept in self._kept.items() if now < kept[0] + KEPT_S}
        if (which, key) not in self._kept:
            made = self._view(which, key)
            if len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[which, key] = self._now(), made
        return self._kept[which, key][1]
