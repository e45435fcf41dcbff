"""Which goroutines the command looks at, and which of their calls."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, Final

from gosonde_common.flames.view import StackView

from gosonde_cli.label_view import Wanted, said

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import GoroutineColumns, Kind

#: Kinds whose view is kept.
MOST_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class View(StackView):
    """What is looked at: of what StackView lets through, goroutines with these waits and labels.

    Attributes:
        min_wait_ns: Goroutines that are known to have waited so long.
        labels: Goroutines with these.
        by_label: The key of the label that goroutines are grouped by, "" for all of them; None where they are not.
    """

    min_wait_ns: int = 0
    labels: Wanted = field(default_factory=Wanted)
    by_label: str | None = None

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
            known.update((kind, self.kind(kind)) for kind in set(columns.kinds) - known.keys())
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
