"""A cache with a bound on what it holds, for facts about files that somebody else controls."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _one(_value: object) -> int:
    return 1


class BoundedCache(Generic[K, V]):
    """Keeps what was used last. Unlike functools.lru_cache it bounds weight, and does not keep its owner alive.

    Args:
        limit: The largest sum of weights that is kept.
        weigh: Weight of a value; each counts 1 without it.
    """

    def __init__(self, limit: int, weigh: Callable[[V], int] = _one) -> None:
        self._limit = limit
        self._weigh = weigh
        self._values: OrderedDict[K, V] = OrderedDict()
        self.weight = 0

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """The value of a key; made, and kept, when it is not there."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = make(key)
        self.weight += self._weigh(value)
        while self.weight > self._limit and len(self._values) > 1:
            _key, oldest = self._values.popitem(last=False)
            self.weight -= self._weigh(oldest)
        return value

    def __len__(self) -> int:
        return len(self._values)
