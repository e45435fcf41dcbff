"""Goroutines as a pprof goroutine profile (profile.proto), with labels that pprof's own lacks."""

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gosonde_pb.pprof.v1 import profile_pb2

from gosonde_common.values.estimates import estimate, surely_seen
from gosonde_common.values.goroutines import REGISTERS, Goroutine, Labels, Location
from gosonde_common.values.labels import LabelTally
from gosonde_common.wire.label_comments import comments

#: Labels of a sample.
STATE, WAIT_REASON, CREATED_BY, AGE, WAITS_FOR = "state", "wait_reason", "created_by", "age", "waits_for"
#: Of a stack that is from registers; others are from memory.
STACK_FROM = "stack_from"
AGE_UNIT = "seconds"
SECOND = 1_000_000_000
GOIDS, STACK_BYTES, STACK_UNIT = "goids", "stack_bytes", "bytes"
#: Before keys of the program's own labels that are one of gosonde's.
OF_PROGRAM = "program."
OWN_KEYS = frozenset({STATE, WAIT_REASON, CREATED_BY, AGE, WAITS_FOR, STACK_FROM, GOIDS, STACK_BYTES})
#: Goroutines of one sample, so that its list of goids stays short.
MOST_TOGETHER = 2_000
#: Different labels, or places, of goroutines that are counted together.
COUNTED_TOGETHER = 4_096
#: The profile's comment, by which the collector knows it.
READ_BY_GOSONDE = "read by gosonde"

#: Frames of all samples together, each counted with so many frames more for its labels: what bounds the profile's size
#: below the 32 MiB that a collector takes.
MAX_FRAMES = 2_000_000
SAMPLE_FRAMES = 10

#: Stands for the stack of a goroutine that ran or moved while it was read.
ACTIVE = Location("[active: no stack]", "", 0)
#: Stands for a stack that was not read: there are too many goroutines.
UNREAD = Location("[not in the sample: stack not read]", "", 0)


class Alike(NamedTuple):
    """What the goroutines of one sample have in common, as Goroutine has it.

    Attributes:
        age_s: For how many seconds they have waited; None where it is not known.
        stack_from: REGISTERS, or "".
        labels: The program's own, where they are asked for.
    """

    stack: tuple[Location, ...]
    status: str
    wait_reason: str
    created_by: Location
    age_s: int | None
    waits_for: str
    stack_from: str = ""
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Goroutines that are alike; `goids` is empty where they are not known, `stack_bytes` are those of all together."""

    alike: Alike
    goroutines: int
    goids: Sequence[int]
    stack_bytes: int


def encode_profile(
    goroutines: Iterable[Goroutine],
    taken_unix_nano: int,
    *,
    with_labels: bool = False,
    tally: LabelTally | None = None,
    more: Callable[[], Iterable[str]] = tuple,
) -> bytes:
    """The profile, gzipped, of all goroutines that pprof would show: those that are not the runtime's own.

    Goroutines that agree in stack, state, wait reason, creation site and age (in whole seconds) are one sample, or as
    many as it takes for MOST_TOGETHER in each. Its labels have their goids, and what their stacks take together.

    Args:
        with_labels: Whether those that the program gave them are in it: goroutines of one sample have the same, then.
        tally: Counts their labels: the profile's comments say what it has found.
        more: Further comments, once all goroutines have been read.
    """
    counted = goroutines if tally is None else _tallied(goroutines, tally)
    own = counted if with_labels else (replace(one, labels=()) if one.labels else one for one in counted)
    found = tally.found if tally else tuple
    return encode_samples(_samples(own), taken_unix_nano, READ_BY_GOSONDE, lambda: (*comments(found()), *more()))


def _tallied(goroutines: Iterable[Goroutine], tally: LabelTally) -> Iterator[Goroutine]:
    """The goroutines, counted on their way: those that share labels, and their statement as an object, together."""
    alike: dict[tuple[int, Labels], tuple[Location, list[int]]] = {}
    for one in goroutines:
        if not one.system:
            _, count = alike.setdefault((id(one.created_by), one.labels), (one.created_by, [0]))
            count[0] += 1
        if len(alike) >= COUNTED_TOGETHER:
            _count(alike, tally)
        yield one
    _count(alike, tally)


def _count(alike: dict[tuple[int, Labels], tuple[Location, list[int]]], tally: LabelTally) -> None:
    for (_, labels), (place, (count,)) in alike.items():
        tally.add(place, labels, count)
    alike.clear()


def encode_samples(
    samples: Iterable[Sample], taken_unix_nano: int, comment: str, more: Callable[[], Iterable[str]] = tuple
) -> bytes:
    """The profile, gzipped, of these samples; "" for no comment. `more` has comments once all samples are written."""
    writer = _Writer(taken_unix_nano, comment)
    everyone = unread = 0
    for sample in samples:
        writer.add(sample)
        everyone += sample.goroutines
        unread += sample.goroutines * (sample.alike.stack == (UNREAD,))
    if unread:
        writer.comment(_sampled(everyone, everyone - unread))
    for text in more():
        writer.comment(text)
    return gzip.compress(writer.profile.SerializeToString(), compresslevel=6, mtime=0)


def _sampled(everyone: int, read: int) -> str:
    of_all = estimate(everyone, read, read // 2)
    return (
        f"the stacks of {read} of {everyone} goroutines were read, chosen by chance: one here with a stack stands for "
        f"{everyone / max(read, 1):.2f}; of a stack that half of them have it is {of_all.least} to {of_all.most} in 99 "
        f"of 100 cases, and stacks of fewer than {surely_seen(everyone, read)} may be missing"
    )


def _samples(goroutines: Iterable[Goroutine]) -> Iterator[Sample]:
    for alike, group in sorted(_grouped(goroutines).items(), key=lambda item: -len(item[1].goids)):
        for start in range(0, len(group.goids), MOST_TOGETHER):
            together = slice(start, start + MOST_TOGETHER)
            goids = group.goids[together]
            yield Sample(alike, len(goids), goids, sum(group.stack_bytes[together]))


@dataclass(frozen=True, slots=True)
class _Group:
    goids: list[int] = field(default_factory=list)
    stack_bytes: list[int] = field(default_factory=list)

    def add(self, goroutine: Goroutine) -> None:
        self.goids.append(goroutine.goid)
        self.stack_bytes.append(goroutine.stack_bytes)

    def join(self, other: "_Group") -> None:
        self.goids.extend(other.goids)
        self.stack_bytes.extend(other.stack_bytes)


def _grouped(goroutines: Iterable[Goroutine]) -> dict[Alike, _Group]:
    """Many share their stack and `go` statement as objects, and are grouped by these: comparing them takes longer."""
    alike: dict[tuple[int, int, str, str, int, str, str, bool, Labels], tuple[Goroutine, _Group]] = {}
    for one in goroutines:
        if not one.system:
            second = -1 if one.wait_ns is None else one.wait_ns // SECOND
            shared = (
                id(one.stack),
                id(one.created_by),
                one.status,
                one.wait_reason,
                second,
                one.waits_for,
                one.stack_from,
                one.unread,
                one.labels,
            )
            if shared not in alike:
                alike[shared] = one, _Group()
            alike[shared][1].add(one)
    groups: dict[Alike, _Group] = {}
    for first, group in alike.values():
        groups.setdefault(_key(first), _Group()).join(group)
    return groups


def _key(goroutine: Goroutine) -> Alike:
    age = None if goroutine.wait_ns is None else goroutine.wait_ns // SECOND
    stack = goroutine.stack or ((UNREAD,) if goroutine.unread else (ACTIVE,))
    stack_from = REGISTERS if goroutine.stack_from == REGISTERS else ""
    state = goroutine.status, goroutine.wait_reason, goroutine.created_by, age, goroutine.waits_for
    return Alike(stack, *state, stack_from, goroutine.labels)


class _Writer:
    """Builds the message: every string, function and location once."""

    def __init__(self, taken_unix_nano: int, comment: str) -> None:
        self._strings = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Location, int] = {}
        self.profile = profile_pb2.Profile(string_table=[""], time_nanos=taken_unix_nano, period=1)
        self.profile.sample_type.add(type=self._string("goroutine"), unit=self._string("count"))
        self.profile.period_type.type = self._string("goroutine")
        self.profile.period_type.unit = self._string("count")
        if comment:
            self.comment(comment)

    def comment(self, text: str) -> None:
        self.profile.comment.append(self._string(text))

    def add(self, of: Sample) -> None:
        stack, status, wait_reason, created_by, age, waits_for, stack_from, labels = of.alike
        sample = self.profile.sample.add(value=[of.goroutines], location_id=[self._location(frame) for frame in stack])
        site = f"{created_by.function} {created_by.file}:{created_by.line}" if created_by.file else ""
        texts = (
            (STATE, status),
            (WAIT_REASON, wait_reason),
            (CREATED_BY, site),
            (WAITS_FOR, waits_for),
            (STACK_FROM, stack_from),
            (GOIDS, " ".join(map(str, of.goids))),
            *((f"{OF_PROGRAM}{key}" if key in OWN_KEYS else key, value) for key, value in labels),
        )
        for name, value in texts:
            if value:
                sample.label.add(key=self._string(name), str=self._string(value))
        if age is not None:
            sample.label.add(key=self._string(AGE), num=age, num_unit=self._string(AGE_UNIT))
        if of.stack_bytes:
            sample.label.add(key=self._string(STACK_BYTES), num=of.stack_bytes, num_unit=self._string(STACK_UNIT))

    def _string(self, text: str) -> int:
        index = self._strings.setdefault(text, len(self._strings))
        if index == len(self.profile.string_table):
            self.profile.string_table.append(text.encode("utf-8", "replace").decode("utf-8"))
        return index

    def _function(self, frame: Location) -> int:
        number = self._functions.setdefault((frame.function, frame.file), len(self._functions) + 1)
        if number > len(self.profile.function):
            name = self._string(frame.function)
            self.profile.function.add(id=number, name=name, system_name=name, filename=self._string(frame.file))
        return number

    def _location(self, frame: Location) -> int:
        number = self._locations.setdefault(frame, len(self._locations) + 1)
        if number > len(self.profile.location):
            location = self.profile.location.add(id=number)
            location.line.add(function_id=self._function(frame), line=frame.line)
        return number
