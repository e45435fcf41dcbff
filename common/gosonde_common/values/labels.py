"""How many goroutines of each `go` statement have which pprof labels, counted within bounds."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gosonde_common.errors import UsageError
from gosonde_common.foreign import bounded
from gosonde_common.values.goroutines import MORE_LABELS, Labels, Location

#: Keys whose values are reported unless others are configured: they name code, and no person and no request.
DEFAULT_KEYS: Final = ("endpoint", "handler", "job", "method", "operation", "route")
#: Keys that can be configured.
MOST_CONFIGURED: Final = 16
#: Stands for the place of all goroutines together.
EVERYONE: Final = Location("", "", 0)
#: Places that are counted apart, of them those whose labels are counted, and keys of each.
MOST_KNOWN: Final = 10_000
MOST_PLACES, MOST_KEYS = 500, 16
#: Values of a key at a place that are counted at the same time, and that are reported.
MOST_COUNTED, MOST_VALUES = 32, 5
#: A value that fewer goroutines have is not reported: it may be one request's.
FEWEST: Final = 2
#: Characters of a key, and of a value; longer ones end with "…".
MOST_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True)
class KeyCount:
    """One key among goroutines that have their place in common.

    Attributes:
        goroutines: How many have a label with the key.
        values: (value, how many have it at least), the most first; without those that are not reported.
        missed: So many more may have each of the values.
    """

    key: str
    goroutines: int
    values: tuple[tuple[str, int], ...] = ()
    missed: int = 0


@dataclass(frozen=True, slots=True)
class PlaceLabels:
    """The labels of goroutines that a `go` statement made, or that began with a function.

    Attributes:
        place: The statement; with only a function, that with which they began; EVERYONE for all of the process.
        goroutines: How many there are, with labels or without.
        keys: Those with values first, the most frequent first.
    """

    place: Location
    goroutines: int
    keys: tuple[KeyCount, ...]


@dataclass(frozen=True, slots=True)
class LabelShare:
    """A label that many goroutines of a `go` statement have.

    Attributes:
        value: None where many have the key, and no value of it is reported.
        goroutines: How many have it, at least.
        at_most: How many have it, at most.
        of: How many goroutines the statement has in the snapshot.
        taken_unix_nano: When the snapshot was taken.
    """

    key: str
    value: str | None
    goroutines: int
    at_most: int
    of: int
    taken_unix_nano: int

    @property
    def said(self) -> str:
        """The same in words, foreign text as it was."""
        return sentence(self.key, self.value, self.goroutines, self.at_most, self.of)


class LabelTally:
    """Counts labels of any number of goroutines in bounded room.

    Values are counted as Misra and Gries do: of very many the frequent ones stay, and how far their counts may be too
    low is known.

    Args:
        allowed: Keys whose values are counted; None for all.
    """

    def __init__(self, allowed: Collection[str] | None = None) -> None:
        self._allowed = allowed
        self._places: dict[Location, _Place] = {EVERYONE: _Place()}
        self._labelled = 0

    def add(self, place: Location, labels: Labels, count: int = 1) -> None:
        """Counts so many goroutines with the same labels; EVERYONE where their place is not known."""
        own = {bounded(key, MOST_CHARACTERS): bounded(value, MOST_CHARACTERS) for key, value in labels}
        own.pop(MORE_LABELS, None)
        for name in {EVERYONE, place}:
            if name in self._places or len(self._places) < MOST_KNOWN:
                self._add(self._places.setdefault(name, _Place()), own, count)

    def _add(self, place: "_Place", labels: Mapping[str, str], count: int) -> None:
        is_new = bool(labels) and not place.counted
        if is_new and self._labelled > MOST_PLACES:
            labels = {}
        self._labelled += is_new
        place.add(labels, count, self._allowed)

    def found(self) -> tuple[PlaceLabels, ...]:
        """Of all together first, then of each place that has some; nothing where nobody has any."""
        return tuple(
            PlaceLabels(name, place.goroutines, place.keys()) for name, place in self._places.items() if place.counted
        )


class _Place:
    def __init__(self) -> None:
        self.goroutines = 0
        self.counted: dict[str, _Values] = {}

    def add(self, labels: Mapping[str, str], count: int, allowed: Collection[str] | None) -> None:
        self.goroutines += count
        for key, value in labels.items():
            is_allowed = allowed is None or key in allowed
            if key not in self.counted and len(self.counted) >= MOST_KEYS + MOST_CONFIGURED * (key in (allowed or ())):
                continue
            of = self.counted.setdefault(key, _Values())
            of.goroutines += count
            if is_allowed:
                of.add(value, count)

    def keys(self) -> tuple[KeyCount, ...]:
        """Those of which values are reported first, and the most frequent."""
        found = [KeyCount(key, of.goroutines, of.most(), of.missed) for key, of in self.counted.items()]
        return tuple(sorted(found, key=lambda one: (not one.values, -one.goroutines, one.key))[:MOST_KEYS])


class _Values:
    def __init__(self) -> None:
        self.goroutines = 0
        self.missed = 0
        self._counts: dict[str, int] = {}

    def add(self, value: str, count: int) -> None:
        while count:
            if value in self._counts or len(self._counts) < MOST_COUNTED:
                self._counts[value] = self._counts.get(value, 0) + count
                return
            fewest = min(count, *self._counts.values())
            count -= fewest
            self.missed += fewest
            self._counts = {other: known - fewest for other, known in self._counts.items() if known > fewest}

    def most(self) -> tuple[tuple[str, int], ...]:
        ranked = sorted(self._counts.items(), key=lambda one: (-one[1], one[0]))
        return tuple((value, count) for value, count in ranked[:MOST_VALUES] if count >= FEWEST)


def only(found: Iterable[PlaceLabels], allowed: Collection[str]) -> tuple[PlaceLabels, ...]:
    """The same without the values of other keys."""
    return tuple(replace(place, keys=tuple(_without_values(key, allowed) for key in place.keys)) for place in found)


def _without_values(of: KeyCount, allowed: Collection[str]) -> KeyCount:
    return of if of.key in allowed else KeyCount(of.key, of.goroutines)


def sentence(key: str, value: str | None, goroutines: int, at_most: int, of: int) -> str:
    """What is said of a label that so many goroutines have; foreign text in it is as it was."""
    number = f"{goroutines:,}" if at_most <= goroutines else f"at least {goroutines:,}"
    what = f"a label {key}, whose values are not reported" if value is None else f"{key}={value}"
    return f"{number} of {of:,} have {what}"


def check_keys(keys: Collection[str]) -> None:
    """Checks the configuration key `labels` of agents and collectors.

    Raises:
        UsageError: There are too many, or one is empty or longer than a key that is counted. Begins with "labels".
    """
    if len(keys) > MOST_CONFIGURED:
        raise UsageError(f"labels: more than {MOST_CONFIGURED} keys")
    for key in keys:
        if not 0 < len(key) < MOST_CHARACTERS:
            raise UsageError(f"labels: {bounded(key, MOST_CHARACTERS)!r} has not 1 to {MOST_CHARACTERS - 1} characters")
