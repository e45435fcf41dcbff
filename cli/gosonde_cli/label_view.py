"""Goroutines by their pprof labels: which have some, and what one label says of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gosonde_common import foreign
from gosonde_common.errors import NotFoundError, UsageError
from gosonde_common.values.goroutines import MORE_LABELS

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import Labels

#: Keys that are named where one is not found, and that are remembered for that.
MOST_NAMED: Final = 20
MOST_SEEN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Labels that goroutines must have.

    Attributes:
        pairs: Keys with their values; None for any.
    """

    pairs: tuple[tuple[str, str | None], ...] = ()
    _seen: set[str] = field(default_factory=set, compare=False)

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Wanted":
        """Of KEY=VALUE, or KEY for any value.

        Raises:
            UsageError: A key is empty.
        """
        split = [text.partition("=") for text in texts]
        if any(not key for key, _, _ in split):
            raise UsageError("--label takes KEY=VALUE, or KEY for any value")
        return cls(tuple((key, value if equals else None) for key, equals, value in split))

    def fits(self, labels: "Labels") -> bool:
        """Whether a goroutine with these labels is wanted."""
        if len(self._seen) < MOST_SEEN:
            self._seen.update(key for key, _ in labels if key != MORE_LABELS)
        own = dict(labels)
        return all(key in own and value in (None, own[key]) for key, value in self.pairs)

    def check(self, *more: str) -> None:
        """After all goroutines were looked at.

        Args:
            more: Keys that one of them was to have, too.

        Raises:
            NotFoundError: No goroutine has a label with one of the keys.
        """
        for key in (*more, *(key for key, _ in self.pairs)):
            if key not in self._seen and len(self._seen) < MOST_SEEN:
                known = ", ".join(sorted(map(foreign.shown, self._seen))[:MOST_NAMED])
                raise NotFoundError(
                    f"no goroutine has a label '{foreign.shown(key)}'; "
                    + (f"there are labels {known}" if known else "no goroutine has any label")
                )


def said(labels: "Labels", key: str) -> str:
    """The value of one label, or of all where no key is given; "-" where there is none."""
    if key:
        return dict(labels).get(key, "-")
    return " ".join(f"{name}={value}" for name, value in labels) or "-"
