"""Processes of which it is not known whether they are selected, for nobody says what their containers are called."""

import time
from collections.abc import Callable
from typing import Final

from gosonde_agent.discovery.selection import Selection

#: Between two looks at them.
AGAIN_SECONDS: Final = 5.0


class Nameless:
    """Since when somebody waits."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: float | None = None

    def begin(self) -> None:
        """All processes are looked at now."""
        self._since = None

    def selected(self, selection: Selection, pid: int, path: str) -> bool:
        """Whether a process is selected that runs this executable; if that is not known, it is to be asked again."""
        is_selected = selection.selects(pid, path)
        if not is_selected and self._since is None and selection.waits(pid, path):
            self._since = self._now()
        return is_selected

    @property
    def is_due(self) -> bool:
        """Whether all processes are to be looked at again."""
        return self._since is not None and self._now() - self._since >= AGAIN_SECONDS
