"""The ledgers of all receivers, and the store that keeps them over a restart."""

import asyncio
from collections.abc import Iterable

from gosonde_collector.outward.alerts.ledger import Ledger
from gosonde_collector.outward.alerts.receiver import Receiver
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Reported


class Ledgers:
    """Belongs to one event loop; the store is asked in threads."""

    def __init__(self, store: Store, reported: Iterable[Reported]) -> None:
        self._store = store
        self._reported: dict[str, dict[str, Reported]] = {}
        for one in reported:
            self._reported.setdefault(one.receiver, {})[one.finding] = one
        self._ledgers: dict[str, Ledger] = {}
        self._turn = asyncio.Lock()

    def of(self, receivers: Iterable[Receiver]) -> list[Ledger]:
        """Those of these receivers, in their order; what others know is forgotten."""
        before = self._ledgers
        self._ledgers = {
            one.key: before.get(one.key) or Ledger(one.key, one.manner, self._reported.pop(one.key, {}))
            for one in receivers
        }
        return list(self._ledgers.values())

    async def keep(self) -> None:
        """Stores what all know. Raises StoreError and DiskFullError."""
        async with self._turn:
            reported = [one for ledger in self._ledgers.values() for one in ledger.reported]
            await asyncio.to_thread(self._store.save_reported, reported)
