"""Findings that somebody has muted for a time: lists leave them out. docs/adr/0148-mute.md says why so."""

import threading
from collections.abc import Callable, Iterable
from typing import Final

from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import OverloadedError

from gosonde_collector.analysis.finding import Finding
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Mute

#: That hold at the same time.
MOST_MUTES: Final = 1_000


class Mutes:
    """Any thread may ask and change them. They are stored at once, and a restart keeps them.

    Attributes:
        number: How often one was added or ended by somebody.
    """

    def __init__(self, store: Store, now: Callable[[], int] = steady_unix_nano) -> None:
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        self._mutes = {mute.covers: mute for mute in store.mutes()}
        self.number = 0

    def of(self, finding: Finding) -> Mute | None:
        """What mutes the finding now: of two, that which lasts longer."""
        now, mutes = self._now(), self._mutes
        found = [mute for covers in _coverings(finding) if (mute := mutes.get(covers)) and mute.until_unix_nano > now]
        return max(found, key=lambda mute: mute.until_unix_nano, default=None)

    def add(self, mute: Mute) -> None:
        """From now on, in place of one that covers the same.

        Raises:
            OverloadedError: As many hold as may.
            StoreError: It could not be stored, and does not hold.
        """
        with self._lock:
            mutes = {**self._holding(), mute.covers: mute}
            if len(mutes) > MOST_MUTES:
                raise OverloadedError(f"{MOST_MUTES:,} mutes hold already; end one that nobody needs")
            self._put(mutes)

    def end(self, finding: Finding) -> None:
        """Whatever mutes the finding holds no longer. Raises StoreError: it could not be stored, and goes on."""
        with self._lock:
            over = set(_coverings(finding))
            self._put({covers: mute for covers, mute in self._holding().items() if covers not in over})

    def _holding(self) -> dict[tuple[str, str, str], Mute]:
        now = self._now()
        return {covers: mute for covers, mute in self._mutes.items() if mute.until_unix_nano > now}

    def _put(self, mutes: dict[tuple[str, str, str], Mute]) -> None:
        self._store.save_mutes(list(mutes.values()))
        self._mutes = mutes
        self.number += 1


def _coverings(finding: Finding) -> Iterable[tuple[str, str, str]]:
    """What mutes of the finding cover."""
    yield finding.id, "", ""
    if finding.site.function:
        yield "", finding.service, finding.site.function
