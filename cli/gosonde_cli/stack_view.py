"""Which goroutines the command looks at, and which of their calls."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from gosonde_common.flames.view import StackView
from gosonde_common.strata import Seen, Strata

from gosonde_cli.families import family
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
        follows_children: Those, too, that these have created, and so on.
        by_label: The key of the label that goroutines are grouped by, "" for all of them; None where they are not.
    """

    min_wait_ns: int = 0
    labels: Wanted = field(default_factory=Wanted)
    follows_children: bool = False
    by_label: str | None = None

    def of(self, found: "Iterable[GoroutineColumns]") -> Seen:
        """The same goroutines without those that are not looked at, with stacks as they are looked at.

        Going through them raises:
            NotFoundError: No goroutine has a label of that key.
            UnsupportedError: The program does not note who has created whom, which is asked for.
        """
        strata = Strata(by_stack=self.by_stack)
        return Seen(self._checked(found, strata), strata)

    def _checked(self, found: "Iterable[GoroutineColumns]", strata: Strata) -> "Iterator[GoroutineColumns]":
        if self.follows_children:
            found = list(found)
            members = family(found, self.labels)
            found = [columns.kept([goid in members for goid in columns.goids]) for columns in found]
        yield from self._seen(found, strata)
        self.labels.check(*([self.by_label] if self.by_label else []))

    def _seen(self, found: "Iterable[GoroutineColumns]", strata: Strata) -> "Iterator[GoroutineColumns]":
        known: dict[Kind, Kind | None] = {}
        labelled: dict[tuple[Kind, str], Kind] = {}
        for whole in found:
            columns = self._by_header(whole, labelled)
            strata.add(columns.kinds)
            if len(known) > MOST_KEPT:
                known.clear()
            known.update((kind, self.kind(kind)) for kind in set(columns.kinds) - known.keys())
            yield columns.with_kinds([known[kind] for kind in columns.kinds])

    def _by_header(self, columns: "GoroutineColumns", labelled: "dict[tuple[Kind, str], Kind]") -> "GoroutineColumns":
        """Those that may be looked at by what their headers and labels say, of a kind for each value of a label."""
        chosen = {kind: self.may_choose(kind) for kind in set(columns.kinds)}
        if self.labels.pairs or self.by_label is not None or self.min_wait_ns:
            fits = (
                [True] * len(columns.labels)
                if self.follows_children  # what they have says no more than who belongs to it
                else map(self.labels.fits, columns.labels)  # of all: it notes the keys that there are
            )
            which = [
                chosen[kind] and is_wanted and (wait_ns or 0) >= self.min_wait_ns
                for kind, is_wanted, wait_ns in zip(columns.kinds, fits, columns.waits_ns, strict=True)
            ]
            columns = columns.kept(which)
        elif not all(chosen.values()):
            columns = columns.kept([chosen[kind] for kind in columns.kinds])
        return columns if self.by_label is None else replace(columns, kinds=self._labelled(columns, labelled))

    def _labelled(self, columns: "GoroutineColumns", made: "dict[tuple[Kind, str], Kind]") -> "list[Kind]":
        """One for each kind and value of the label."""
        key = self.by_label or ""
        groups = [(kind, said(labels, key)) for kind, labels in zip(columns.kinds, columns.labels, strict=True)]
        if len(made) > MOST_KEPT:
            made.clear()
        made.update((group, replace(group[0], group=group[1])) for group in set(groups) - made.keys())
        return [made[group] for group in groups]
