"""Goroutines as text: in groups like pprof's debug=1, or one by one like its debug=2.

Goroutines of one kind have most of their text in common: it is made once, and kept as long as there is room.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gosonde_common.values.goroutines import MAIN_GOROUTINE, REGISTERS

from gosonde_cli.kept_texts import KeptTexts
from gosonde_cli.rendering import cell, duration

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import GoroutineColumns, Kind, Location

    Group = tuple[str, Location, tuple[Location, ...], str]

MINUTE_NS = 60_000_000_000
#: Kinds that are counted before they are put together into groups.
MOST_KINDS = 10_000
#: The calls of the stacks of all groups at most, and how many calls a group counts for beside those of its stack.
MOST_CALLS = 10_000_000
GROUP_CALLS = 40
NO_STACK = "no stack: it ran, or moved while it was read"


def grouped(found: Iterable["GoroutineColumns"]) -> Iterator[str]:
    """Lines: a total, then the goroutines with the same state, go statement and stack together, largest group first."""
    groups = _Groups()
    for columns in found:
        groups.add(columns)
    groups.merge()
    counts, longest = groups.counts, groups.longest
    total = sum(counts.values()) + groups.left_out
    yield f"goroutine profile: total {total}, and {groups.system} of the runtime's own"
    for group, count in counts.most_common():
        state, created_by, stack, _ = group
        waited = f", up to {duration(longest[group])}" if group in longest else ""
        yield ""
        yield f"{count} @ {cell(state)}{waited}"
        yield from _marks(groups.firsts[group])
        yield from (f"#\t{cell(frame.function)}\t{cell(frame.file)}:{frame.line}" for frame in stack)
        if not stack:
            yield f"#\t{NO_STACK}"
        if created_by == MAIN_GOROUTINE:
            yield f"# {created_by.function}"
        elif created_by.function:
            yield f"# created by {cell(created_by.function)}\t{cell(created_by.file)}:{created_by.line}"
    if groups.left_out:
        yield ""
        yield f"{groups.left_out} in small groups that are left out: there are too many; --each has all of them"


class _Groups:
    """How many goroutines each group has, and the longest wait that is known of one of them.

    They are counted by their kinds first: a stack takes long to compare. When there are too many different stacks, the
    smallest groups go.

    Attributes:
        system: The runtime's own, which are in no group.
        left_out: Goroutines of groups that went.
        firsts: A kind of each group.
    """

    def __init__(self) -> None:
        self.counts: Counter[Group] = Counter()
        self.longest: dict[Group, int] = {}
        self.firsts: dict[Group, Kind] = {}
        self.system = 0
        self.left_out = 0
        self._calls = 0
        self._kinds: Counter[Kind] = Counter()
        self._waits: dict[Kind, int] = {}

    def add(self, columns: "GoroutineColumns") -> None:
        """Counts some more; `merge` has them counted in their groups."""
        self._kinds.update(columns.kinds)
        waits = self._waits
        for kind, wait_ns in zip(columns.kinds, columns.waits_ns, strict=True):
            if wait_ns is not None and wait_ns >= waits.get(kind, 0):
                waits[kind] = wait_ns
        if len(self._kinds) > MOST_KINDS:
            self.merge()

    def merge(self) -> None:
        """Goes over from kinds to groups."""
        for kind, count in self._kinds.items():
            if kind.system:
                self.system += count
                continue
            group = (_state(kind), kind.created_by, kind.stack, kind.cause)
            if group not in self.counts:
                self._calls += GROUP_CALLS + len(kind.stack)
                self.firsts[group] = kind
            self.counts[group] += count
            if kind in self._waits:
                self.longest[group] = max(self.longest.get(group, 0), self._waits[kind])
        self._kinds.clear()
        self._waits.clear()
        if self._calls > MOST_CALLS:
            self._leave_out()

    def _leave_out(self) -> None:
        """Forgets the smaller half of the groups."""
        going = self.counts.most_common()[len(self.counts) // 2 :]
        for group, count in going:
            self.left_out += count
            self._calls -= GROUP_CALLS + len(group[2])
            del self.counts[group], self.firsts[group]
            self.longest.pop(group, None)


def one_by_one(found: Iterable["GoroutineColumns"]) -> Iterator[str]:
    """Each goroutine in text that readers of pprof's debug=2 understand; the runtime's own are left out, as there."""
    texts = KeptTexts(_each_parts, _call)
    for columns in found:
        for kind, goid, wait_ns, parent, locked in zip(
            columns.kinds, columns.goids, columns.waits_ns, columns.parent_goids, columns.locked, strict=True
        ):
            if kind.system:
                continue
            state, calls, creator, statement = texts.of(kind)
            minutes = f", {wait_ns // MINUTE_NS} minutes" if wait_ns and wait_ns >= MINUTE_NS else ""
            locks = ", locked to thread" if locked else ""
            created = ""
            if creator and goid != 1:
                created = f"{creator} in goroutine {parent}{statement}" if parent else f"{creator}{statement}"
            yield f"goroutine {goid} [{state}{minutes}{locks}]:\n{calls}{created}\n"


def _each_parts(kind: "Kind", texts: KeptTexts) -> tuple[str, ...]:
    """(state, lines of the calls, beginning of the line of who created it, its end and the line of where)."""
    calls = "".join(map(texts.call, kind.stack)) or "\tgoroutine running on other thread; stack unavailable\n"
    made = kind.created_by
    if not made.function:
        return cell(_state(kind)), calls, "", ""
    return cell(_state(kind)), calls, f"created by {cell(made.function)}", f"\n\t{cell(made.file)}:{made.line}\n"


def _call(frame: "Location") -> str:
    return f"{cell(frame.function)}(...)\n\t{cell(frame.file)}:{frame.line}\n"


def _marks(kind: "Kind") -> Iterator[str]:
    """What only a stop has shown."""
    if kind.stack_from == REGISTERS:
        yield "# stack from registers, at the last stop"
    if kind.cause:
        yield f"# {kind.cause}: {cell(kind.because)}"


def _state(kind: "Kind") -> str:
    """The wait reason where it waits for one, else the status; as the runtime prints it."""
    return kind.wait_reason or kind.status
