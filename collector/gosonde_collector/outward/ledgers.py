"""The ledgers of all receivers, and the store that keeps them over a restart."""

import asyncio
from collections.abc import Iterable

from gosonde_collector.outward.ledger import Ledger
from gosonde_collector.outward.receiver import Receiver
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Told


class Ledgers:
    """Belongs to one event loop; the store is asked in threads."""

    def __init__(self, store: Store, told: Iterable[Told]) -> None:
        self._store = store
        self._told: dict[str, dict[str, Told]] = {}
        for one in told:
            self._told.setdefault(one.receiver, {})[one.finding] = one
        self._ledgers: dict[str, Ledger] = {}
        self._turn = asyncio.Lock()

    def of(self, receivers: Iterable[Receiver]) -> list[Ledger]:
        """Those of these receivers, in their order; what others were told is forgotten."""
        before = self._ledgers
        self._ledgers = {
            one.key: before.get(one.key) or Ledger(one.key, one.manner, self._told.pop(one.key, {}))
            for one in receivers
        }
        return list(self._ledgers.values())

    async def keep(self) -> None:
        """Stores what all were told. Raises StoreError and DiskFullError."""
        async with self._turn:
            told = [one for ledger in self._ledgers.values() for one in ledger.told]
            await asyncio.to_thread(self._store.save_told, told)
