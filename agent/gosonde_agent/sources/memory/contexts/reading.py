"""One reading of a process's contexts: found, named, asked who holds them and who waits for them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from gosonde_common.errors import NotFoundError

from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.sources.memory.contexts.candidates import CandidateReader, Candidates
from gosonde_agent.sources.memory.contexts.holding import Holding
from gosonde_agent.sources.memory.contexts.interfaces import Interfaces
from gosonde_agent.sources.memory.contexts.pointer_words import Passed, pointer_words
from gosonde_agent.sources.memory.contexts.references import NOBODY, ReferenceReader, References
from gosonde_agent.sources.memory.contexts.samples import Samples
from gosonde_agent.sources.memory.contexts.types import WORD, context_types
from gosonde_agent.sources.memory.contexts.values import ContextKind
from gosonde_agent.sources.memory.reachability.awaited import SudogLayout, awaited_channels
from gosonde_agent.sources.memory.reachability.headers import Goroutines, HeaderReader
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter
from gosonde_agent.sources.memory.reachability.named_types import NamedTypes
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import RegionReader
from gosonde_agent.sources.memory.reachability.roots import RootReader
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, among, joined, words
from gosonde_agent.sources.memory.reachability.runtime_types import RuntimeTypes
from gosonde_agent.sources.memory.reachability.spans import SpanReader
from gosonde_agent.sources.memory.reachability.stacks import StackReader
from gosonde_agent.sources.memory.reachability.waiting import CHANNEL, Reasons
from gosonde_agent.sources.memory.target import Target
from gosonde_agent.sources.memory.timers.layout import timer_layout

#: What one reading takes at most.
LIMITS: Final = Limits(cpu_seconds=10.0, seconds=60.0, read_bytes=32 << 30)
#: Of two readings the larger one holds.
FORGOTTEN, UNKNOWN, HELD = range(3)
#: Of the runtime's timer in a time.Timer, since Go 1.23 and before.
IN_TIMER, IN_OLD_TIMER = 16, 8


@dataclass(frozen=True, slots=True)
class Found:
    """What may be live contexts, a row each, by address.

    Attributes:
        of: What they themselves say.
        kind: Place in the kinds of `ContextTypes`; NOBODY where nothing says that it is a context.
        alive: A root leads to it.
        cancel: FORGOTTEN, HELD or UNKNOWN.
        waiting: (row, goid): the goroutines that wait for Done.
        sampled: (row, address of its bucket): those that the heap profile has.
    """

    of: Candidates
    kind: I64
    alive: Bools
    cancel: I64
    waiting: tuple[I64, U64]
    sampled: tuple[I64, U64]

    def __len__(self) -> int:
        return len(self.of)

    def selected(self, which: Bools) -> "Found":
        """Some rows."""
        waiting, sampled = _of_rows(self.waiting, which), _of_rows(self.sampled, which)
        of = self.of.selected(which)
        return Found(of, self.kind[which], self.alive[which], self.cancel[which], waiting, sampled)


def _of_rows(pairs: tuple[I64, U64], which: Bools) -> tuple[I64, U64]:
    """Pairs of a row and something else, where only some rows are left."""
    rows, others = pairs
    kept = which[rows]
    return (np.cumsum(which) - 1)[rows[kept]].astype(np.int64), others[kept]


class ContextReader:
    """Reads the contexts of one process, again and again. It never stops it, and writes nothing.

    Attributes:
        types: What package context has there.

    Raises:
        NotLocatedError: Where the heap is is not known.
        UnsupportedBinaryError: How the heap or contexts are laid out is not known.
        GosondeError: The process has ended, or may not be read.
    """

    def __init__(self, target: Target) -> None:
        runtime, addresses = target.runtime, target.heap_addresses()
        self.target = target
        minor = parse_version(target.go_version).minor
        self.named = NamedTypes(runtime, RuntimeTypes(runtime, target.pclntab.moduledata, minor))
        self.types = context_types(self.named)
        self.interfaces = Interfaces(runtime.memory, self.named)
        self._candidates = CandidateReader(runtime.memory, self.types, self.interfaces)
        self._spans = SpanReader(runtime, addresses.mheap)
        self._reader = RegionReader(runtime.memory)
        self._headers = HeaderReader(runtime)
        self.stacks = StackReader(target, self._reader, self._headers)
        self._roots = RootReader(target, addresses, self._reader, self.stacks)
        self.samples = Samples(runtime, target.pclntab)
        self._reasons = Reasons(target.wait_reasons())
        timers = timer_layout(runtime.layout)
        self._timer_argument = timers.argument + (IN_TIMER if timers.has_channel_timers else IN_OLD_TIMER)

    def read(self) -> Found:
        """Those that are not cancelled, with who leads to them.

        Raises:
            NotDecidedError: It takes more than the limits allow.
            ImplausibleMemoryError: What was read contradicts itself; it may be another time.
            GosondeError: The process has ended, or may not be read.
        """
        meter = Meter(LIMITS)
        heap = HeapMap(self._spans.read(meter), meter)
        goroutines, processors = self._headers.read(meter), self._roots.processors()
        maybe = self._candidates.read(heap, meter)
        numbers = heap.numbers(maybe.at)
        references = ReferenceReader(self.target.runtime.memory, self._reader, heap, meter)
        everyone = np.ones(len(goroutines), np.bool_)
        roots = self._roots.pointers(heap, goroutines, everyone, processors, meter)
        pointers = pointer_words(self.target.runtime, heap, self.types, maybe)
        passed = Passed(processors.at, processors.size, processors.regions, pointers)
        found = references.read(numbers, roots, passed)
        themselves = heap.numbers(goroutines.at)
        references.rooted.add(themselves[themselves >= 0])

        holding = Holding(self.target.runtime, self.target.pclntab, self._reader, meter)
        raw = found.selected(self._type_places(found) < 0)
        is_own = self._is_own_deadline(holding, heap, maybe, numbers, raw)
        kind = np.maximum(self._kinds(maybe, numbers, found), self._kinds_by_size(maybe, numbers, raw.target[is_own]))
        raw = raw.selected(~is_own)
        alive = holding.alive(heap, np.concatenate((numbers, raw.holder)), references.rooted, passed)
        raw = raw.selected(alive.has(raw.holder))
        is_cancel = holding.cancel_functions(heap, raw)
        may_be = is_cancel | ~holding.only_interfaces(goroutines, raw)
        raw, is_cancel = raw.selected(may_be), is_cancel[may_be]
        cancel = np.zeros(len(maybe), np.int64)
        cancel[np.searchsorted(numbers, raw.target)] = UNKNOWN
        cancel[np.searchsorted(numbers, raw.target[is_cancel])] = HELD
        waiting = self._waiting(goroutines, maybe, meter)
        sampled = self.samples.read(heap, maybe.at, meter)
        self._check_same()
        return Found(maybe, kind, alive.has(numbers), cancel, waiting, sampled)

    def on_stack(self, goid: int) -> tuple[U64, U64]:
        """(the word before, pointer) of what a goroutine's stack holds of the heap, as far as it is not known dead.

        Raises:
            NotFoundError: There is no such goroutine.
            GosondeError: As `read`.
        """
        meter = Meter(LIMITS)
        heap = HeapMap(self._spans.read(meter), meter)
        goroutines = self._headers.read(meter)
        rows = np.flatnonzero(goroutines.goid == np.uint64(goid))
        if not len(rows):
            raise NotFoundError(f"process {self.target.runtime.pid} has no goroutine {goid}: it may have ended")
        parts = list(self.stacks.pointers(heap, goroutines, rows, meter))
        at, word = (joined([getattr(part, name) for part in parts]) for name in ("at", "word"))
        before, _whole = self.target.runtime.memory.read_each(at - np.uint64(WORD), WORD)
        return words(before, 0), word

    def _type_places(self, found: References) -> I64:
        """Which kind of context each pointer says that it leads to, as an interface's second word; -1 for none."""
        types = self.interfaces.of(found.before).type
        places = np.full(len(found), NOBODY, np.int64)
        for place, kind in enumerate(self.types.kinds):
            places[types == np.uint64(kind.pointer)] = place
        return places

    def _kinds(self, maybe: Candidates, numbers: I64, found: References) -> I64:
        """Of which kind each is, as those say who hold it in an interface; -1 where none does."""
        places = self._type_places(found)
        row = np.searchsorted(numbers, found.target)
        sizes = np.array([kind.size for kind in self.types.kinds], np.int64)
        says = (places >= 0) & (found.word == maybe.at[row]) & (maybe.size[row] == sizes[places])
        kind = np.full(len(maybe), NOBODY, np.int64)
        kind[row[says]] = places[says]
        return kind

    def _kinds_by_size(self, maybe: Candidates, numbers: I64, with_deadline: I64) -> I64:
        """Of which kind each is whose Done or deadline shows that it is a context; NOBODY of the others.

        Args:
            with_deadline: Numbers of those that their own deadline's timer leads to.
        """
        has_deadline = among(numbers, np.unique(with_deadline))
        kind = np.full(len(maybe), NOBODY, np.int64)
        for place, of in enumerate(self.types.kinds):
            fits = has_deadline if of.kind is ContextKind.DEADLINE else ~has_deadline & (maybe.channel != 0)
            kind[fits & (maybe.size == of.size)] = place
        return kind

    def _is_own_deadline(
        self, holding: Holding, heap: HeapMap, maybe: Candidates, numbers: I64, raw: References
    ) -> Bools:
        """Which pointers lie in the closure that the context's own deadline calls."""
        closures = heap.numbers(holding.closures_of_deadlines(maybe.timer, self._timer_argument))
        own: Bools = (raw.holder != NOBODY) & (closures[np.searchsorted(numbers, raw.target)] == raw.holder)
        return own

    def _waiting(self, goroutines: Goroutines, contexts: Candidates, meter: Meter) -> tuple[I64, U64]:
        rows = np.flatnonzero(self._reasons.are(CHANNEL, goroutines))
        memory, layout = self.target.runtime.memory, self.target.runtime.layout
        awaited = awaited_channels(memory, SudogLayout(layout), goroutines, rows, meter)
        order = np.argsort(contexts.channel)
        channels = contexts.channel[order]
        some = among(awaited.address, channels) & (awaited.address != 0)
        which = order[np.searchsorted(channels, awaited.address[some])]
        return which, goroutines.goid[awaited.row[some]]

    def _check_same(self) -> None:
        runtime = self.target.runtime
        runtime.memory.check_same(runtime.addresses.allglen + runtime.bias)
