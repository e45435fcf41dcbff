"""Which goroutines are looked at, and which of their calls: pprof's focus, ignore and hide, states, and waits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, Final

from gosonde_cli.expressions import Expression
from gosonde_cli.label_view import Wanted, said

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import GoroutineColumns, Kind, Location

#: Kinds whose view is kept.
MOST_KEPT: Final = 10_000
#: Packages that are the runtime's own.
RUNTIME: Final = ("runtime.", "runtime/internal/", "internal/runtime/")


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at.

    Attributes:
        focus: Goroutines with a call that it matches.
        ignore: Not those with such a call.
        hide: Not such calls.
        max_depth: So many calls, the innermost; 0 for all.
        function: Goroutines of `go` statements in a function whose name contains it.
        state: States that contain it.
        min_wait_ns: Goroutines that are known to have waited so long.
        labels: Goroutines with these.
        by_label: The key of the label that goroutines are grouped by, "" for all of them; None where they are not.
        runtime: The runtime's own calls, too. A stack of nothing else is shown all the same.
    """

    focus: Expression | None = None
    ignore: Expression | None = None
    hide: Expression | None = None
    max_depth: int = 0
    function: str = ""
    state: str = ""
    min_wait_ns: int = 0
    labels: Wanted = field(default_factory=Wanted)
    by_label: str | None = None
    runtime: bool = False

    def of(self, found: "Iterable[GoroutineColumns]") -> "Iterator[GoroutineColumns]":
        """The same goroutines without those that are not looked at, with stacks as they are looked at.

        Raises:
            NotFoundError: No goroutine has a label of that key.
        """
        yield from self._seen(found)
        self.labels.check(*([self.by_label] if self.by_label else []))

    def _seen(self, found: "Iterable[GoroutineColumns]") -> "Iterator[GoroutineColumns]":
        known: dict[Kind, Kind | None] = {}
        for columns in found:
            if len(known) > MOST_KEPT:
                known.clear()
            known.update((kind, self._kind(kind)) for kind in set(columns.kinds) - known.keys())
            kinds = [known[kind] for kind in columns.kinds]
            yield self._columns(columns, kinds if self.by_label is None else self._labelled(columns, kinds))

    def _labelled(self, columns: "GoroutineColumns", kinds: "list[Kind | None]") -> "list[Kind | None]":
        """One for each kind and value of the label."""
        key = self.by_label or ""
        groups = [(kind, said(labels, key)) for kind, labels in zip(kinds, columns.labels, strict=True)]
        made = {(kind, value): kind and replace(kind, group=value) for kind, value in set(groups)}
        return [made[group] for group in groups]

    def _columns(self, columns: "GoroutineColumns", kinds: "list[Kind | None]") -> "GoroutineColumns":
        asks_for_labels = bool(self.labels.pairs) or self.by_label is not None
        if not self.min_wait_ns and not asks_for_labels and None not in kinds:
            return replace(columns, kinds=[kind for kind in kinds if kind is not None])
        fits = map(self.labels.fits, columns.labels)  # of all: it notes the keys that there are
        which = [
            is_wanted and kind is not None and (wait_ns or 0) >= self.min_wait_ns
            for kind, is_wanted, wait_ns in zip(kinds, fits, columns.waits_ns, strict=True)
        ]
        return replace(columns.kept(which), kinds=[kind for kind in compress(kinds, which) if kind is not None])

    def _kind(self, kind: "Kind") -> "Kind | None":
        """None for goroutines that are not looked at."""
        if self.state not in (kind.wait_reason or kind.status) or self.function not in kind.created_by.function:
            return None
        if self.focus and not any(map(self.focus.matches, kind.stack)):
            return None
        if self.ignore and any(map(self.ignore.matches, kind.stack)):
            return None
        stack = self._stack(kind.stack)
        return kind if len(stack) == len(kind.stack) else replace(kind, stack=stack)

    def _stack(self, stack: "tuple[Location, ...]") -> "tuple[Location, ...]":
        if not self.runtime:
            stack = tuple(call for call in stack if not call.function.startswith(RUNTIME)) or stack
        if self.hide:
            stack = tuple(call for call in stack if not self.hide.matches(call))
        return stack[: self.max_depth] if self.max_depth else stack
