"""What contexts were made from, step by step up to the root: by the types that interfaces name."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from gosonde_common.errors import GosondeError

from gosonde_agent.golang.go_types import GoType, Kind
from gosonde_agent.sources.memory.contexts.interfaces import Interfaces
from gosonde_agent.sources.memory.contexts.types import INTERFACE, WORD
from gosonde_agent.sources.memory.reachability.rows import I64, U64, words
from gosonde_agent.sources.memory.reachability.runtime_types import RuntimeTypes
from gosonde_agent.sources.memory.reader import ProcessMemory

#: So many steps are followed; what is longer, or goes in a circle, ends with MORE.
MAX_STEPS: Final = 32
MORE: Final = "…"
UNKNOWN: Final = "?"
INTERFACE_BYTES: Final = 16
VALUE: Final = "context.valueCtx"
KEY: Final = "key"
#: How types of package context are called; the root of Go 1.20 and older does not say which of two it is.
SHORT: Final = {
    "context.cancelCtx": "cancel",
    "context.timerCtx": "deadline",
    "context.afterFuncCtx": "after-func",
    VALUE: "value",
    "context.withoutCancelCtx": "without-cancel",
    "context.stopCtx": "stop",
    "context.backgroundCtx": "background",
    "context.todoCtx": "todo",
    "context.emptyCtx": "background or todo",
}


@dataclass(frozen=True, slots=True)
class Chains:
    """The chains of some contexts.

    Attributes:
        texts: Different chains: the names of their elements.
        which: int64[n]: which of them each has.
        steps: By level from the first parent on: (row, address) of those that have one so far up; int64, uint64.
    """

    texts: list[tuple[str, ...]]
    which: I64
    steps: list[tuple[I64, U64]]


@dataclass(frozen=True, slots=True)
class _Step:
    """One type: what it is called, and where its values have their parent and their key; -1 where they have none."""

    name: str
    parent: int = -1
    key: int = -1


class ChainReader:
    """Follows them in one process."""

    def __init__(self, memory: ProcessMemory, types: RuntimeTypes, interfaces: Interfaces) -> None:
        self._memory, self._types, self._interfaces = memory, types, interfaces
        self._known: dict[int, _Step] = {}

    def read(self, parent: U64, data: U64) -> Chains:
        """The chains of contexts, by the two words of the interface that each was made from.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        rows = np.arange(len(parent))
        chains = Chains([()], np.zeros(len(parent), np.int64), [])
        while len(rows) and len(chains.steps) < MAX_STEPS:
            chains.steps.append((rows, data))
            names, name, parent, data = self._up(parent, data)
            chains.which[rows] = _longer(chains.texts, chains.which[rows], names, name)
            goes_on = parent != 0
            rows, parent, data = rows[goes_on], parent[goes_on], data[goes_on]
        chains.which[rows] = _longer(chains.texts, chains.which[rows], [MORE], np.zeros(len(rows), np.int64))
        return chains

    def _up(self, parent: U64, data: U64) -> tuple[list[str], I64, U64, U64]:
        """(names, which of them each context has, both words of what each was made from; 0 at a root)."""
        kinds, kind = np.unique(self._interfaces.of(parent).type, return_inverse=True)
        kind = kind.reshape(-1)
        steps = [self._step(at) for at in kinds.tolist()]
        above, above_data = (
            self._field(data, np.array([step.parent for step in steps], np.int64)[kind], of) for of in (0, WORD)
        )
        keys, key = np.unique(
            self._interfaces.of(self._field(data, np.array([step.key for step in steps], np.int64)[kind], 0)).type,
            return_inverse=True,
        )
        texts = [f" {self._name(at)}" if at else "" for at in keys.tolist()]
        names = [step.name + (text if step.key >= 0 else "") for step in steps for text in texts]
        return names, kind * len(texts) + key.reshape(-1), above, above_data

    def _field(self, data: U64, offset: I64, of: int) -> U64:
        """A word behind an offset of each value; 0 where there is no such field."""
        rows, whole = self._memory.read_each(data + (offset + of).astype(np.uint64), WORD)
        return np.where(whole & (offset >= 0), words(rows, 0), np.uint64(0))

    def _step(self, reference: int) -> _Step:
        if reference not in self._known:
            self._known[reference] = self._described(reference)
        return self._known[reference]

    def _described(self, reference: int) -> _Step:
        try:
            held = self._types.describe(reference)
            value = held.other(held.element) if held.kind is Kind.POINTER and held.element else held
            name = SHORT.get(value.name, held.name)
            # A type that is a pointer in a struct lies in the interface itself, and has no address.
            if value.kind is not Kind.STRUCT or value.size < INTERFACE_BYTES:
                return _Step(name)
            parent, key = (_offset(value, of) for of in (INTERFACE, KEY if value.name == VALUE else ""))
            return _Step(name, parent, key)
        except GosondeError:
            return _Step(UNKNOWN)

    def _name(self, reference: int) -> str:
        try:
            return self._types.describe(reference).name
        except GosondeError:
            return UNKNOWN


def _offset(struct: GoType, wanted: str) -> int:
    """Of the first field that has a name, or an interface's type; -1 without."""
    for field in struct.fields:
        inner = struct.other(field.type)
        if inner.kind is Kind.INTERFACE and wanted in (field.name, inner.name):
            return field.offset
    return -1


def _longer(texts: list[tuple[str, ...]], which: I64, names: list[str], name: I64) -> I64:
    """Which chains they have with one more name each; new ones are added to `texts`."""
    keys, place = np.unique(which * len(names) + name, return_inverse=True)
    added = len(texts) + np.arange(len(keys))
    texts += [(*texts[key // len(names)], names[key % len(names)]) for key in keys.tolist()]
    chains: I64 = added[place.reshape(-1)]
    return chains
