"""profile.proto into plain values: its kind is inferred from the types of its samples."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.goroutines import Labels
from gosonde_common.values.http import HostConnections
from gosonde_common.values.labels import LabelTally, PlaceLabels
from gosonde_common.wire import http_comments, label_comments
from gosonde_common.wire.profile import (
    ACTIVE,
    AGE,
    CREATED_BY,
    GOIDS,
    OF_PROGRAM,
    OWN_KEYS,
    READ_BY_GOSONDE,
    STACK_BYTES,
    STATE,
    UNREAD,
    WAIT_REASON,
    WAITS_FOR,
)

from gosonde_collector.evidence.context import (
    ContentionProfile,
    ContentionSample,
    ContextProfile,
    HeapProfile,
    HeapSample,
)
from gosonde_collector.evidence.model import (
    BLOCK,
    FOR_A,
    GOROUTINE,
    LEAK,
    MEMORY,
    MUTEX,
    Frame,
    GoroutineGroup,
    GoroutineProfile,
    Reading,
)
from gosonde_collector.evidence.places import place_of
from gosonde_collector.evidence.wire_stacks import Decoded, Sample, decode
from gosonde_collector.model.errors import ProfileError, Refusal

#: Decimal digits of a number that surely fits into 63 bits have fewer.
MAX_DIGITS: Final = 19

#: What the samples of each kind are (runtime/pprof: printCountProfile, writeHeapProto, printCountCycleProfile).
GOROUTINES: Final[dict[tuple[str, ...], str]] = {(GOROUTINE,): GOROUTINE, (LEAK,): LEAK}
HEAP_TYPES: Final = ("alloc_objects", "alloc_space", "inuse_objects", "inuse_space")
CONTENTION_TYPES: Final = ("contentions", "delay")
#: Block and mutex profiles have the same types. The innermost functions of a mutex profile let a lock go, on which
#: nobody waits (runtime.mutexevent, runtime.unlock; the last two stand for stacks that were not kept).
LETS_GO: Final = ("Unlock", "unlock", "unlock2", "RUnlock", "_LostContendedRuntimeLock", "_LostContendedLock")


def parse_proto(data: bytes) -> GoroutineProfile | ContextProfile:
    """Parses a whole profile.proto that a Go runtime or gosonde wrote.

    Raises:
        ProfileError: It is damaged, holds something else, or refers to what it does not contain.
    """
    decoded = decode(data)
    if kind := GOROUTINES.get(decoded.types):
        return _goroutines(decoded, kind)
    if decoded.types == HEAP_TYPES:
        return _heap(decoded)
    if decoded.types == CONTENTION_TYPES:
        return _contention(decoded)
    types = ", ".join(decoded.types) or "of no type"
    raise ProfileError(
        f"not a goroutine, goroutineleak, heap, block or mutex profile: its samples are {types}", Refusal.UNKNOWN_KIND
    )


def _goroutines(decoded: Decoded, kind: str) -> GoroutineProfile:
    groups = tuple(_group(number, sample) for number, sample in enumerate(decoded.samples))
    form = "proto"
    if READ_BY_GOSONDE in decoded.comments:
        form = MEMORY
        groups = tuple(
            _labelled(group, sample.texts, sample.numbers)
            for group, sample in zip(groups, decoded.samples, strict=True)
        )
    labels, hosts = _labels(decoded, groups, form), _hosts(decoded) if form == MEMORY else ()
    profile = GoroutineProfile(form, groups, decoded.taken_unix_nano, kind, labels=labels, hosts=hosts)
    return replace(profile, reading=Reading(partial=_sampled(profile)))


def _sampled(profile: GoroutineProfile) -> str:
    """Why not all stacks are there; empty where all are."""
    everyone, read = profile.goroutines, profile.read
    return f"the stacks of {read:,} of {everyone:,} goroutines were read, chosen by chance" if read < everyone else ""


def _hosts(decoded: Decoded) -> tuple[HostConnections, ...]:
    try:
        return http_comments.read(decoded.comments)
    except InvalidInputError as error:
        raise ProfileError(str(error)) from error


def _labels(decoded: Decoded, groups: Sequence[GoroutineGroup], form: str) -> tuple[PlaceLabels, ...]:
    """What an agent has counted, which takes labels out; else what is counted here."""
    try:
        if counted := label_comments.read(decoded.comments):
            return counted
    except InvalidInputError as error:
        raise ProfileError(str(error)) from error
    tally = LabelTally()
    for group, sample in zip(groups, decoded.samples, strict=True):
        tally.add(place_of(group, form), _own(sample.texts, form), group.count)
    return tally.found()


def _own(texts: Mapping[str, str], form: str) -> Labels:
    """The program's labels; in files of gosonde there are others beside them."""
    if form != MEMORY:
        return tuple(texts.items())
    return tuple((key.removeprefix(OF_PROGRAM), value) for key, value in texts.items() if key not in OWN_KEYS)


def _group(number: int, sample: Sample) -> GoroutineGroup:
    if sample.values[0] < 1:
        raise ProfileError(f"sample {number} of the profile has no count of goroutines")
    return GoroutineGroup(sample.values[0], sample.frames)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < MAX_DIGITS


def _labelled(group: GoroutineGroup, texts: Mapping[str, str], numbers: Mapping[str, int]) -> GoroutineGroup:
    function, _, place = texts.get(CREATED_BY, "").partition(" ")
    file, _, line = place.rpartition(":")
    created_by = Frame(function, file, int(line)) if function and _is_number(line) else None
    state = texts.get(WAIT_REASON) or texts.get(STATE, "")
    if waits_for := texts.get(WAITS_FOR):
        state = f"{state}{FOR_A}{waits_for}"
    frames = tuple(frame for frame in group.frames if frame.function not in {ACTIVE.function, UNREAD.function})
    waited, stacks = (max(numbers.get(key, 0), 0) for key in (AGE, STACK_BYTES))
    goids, unread = _goids(texts, group.count), any(frame.function == UNREAD.function for frame in group.frames)
    return GoroutineGroup(group.count, frames, created_by, state, waited, goids, stacks, unread)


def _goids(texts: Mapping[str, str], count: int) -> tuple[int, ...]:
    """None when they are not there, or not as many as there are goroutines."""
    words = texts.get(GOIDS, "").split(" ")
    if len(words) != count or not all(map(_is_number, words)):
        return ()
    return tuple(map(int, words))


def _heap(decoded: Decoded) -> HeapProfile:
    if not decoded.samples:
        raise ProfileError("the heap profile shows nothing: is runtime.MemProfileRate 0?", Refusal.EMPTY)
    samples = tuple(HeapSample(sample.frames, *_amounts(sample)) for sample in decoded.samples)
    return HeapProfile(samples, decoded.taken_unix_nano)


def _contention(decoded: Decoded) -> ContentionProfile:
    if not decoded.samples:
        raise ProfileError(
            "the block or mutex profile shows nothing: the program must call runtime.SetBlockProfileRate or "
            "runtime.SetMutexProfileFraction",
            Refusal.EMPTY,
        )
    samples = tuple(ContentionSample(sample.frames, *_amounts(sample)) for sample in decoded.samples)
    kind = MUTEX if any(map(_lets_go, decoded.samples)) else BLOCK
    return ContentionProfile(kind, samples, decoded.taken_unix_nano)


def _lets_go(sample: Sample) -> bool:
    return bool(sample.frames) and sample.frames[0].function.rpartition(".")[2] in LETS_GO


def _amounts(sample: Sample) -> tuple[int, ...]:
    """The values; below zero is what the runtime's estimate cannot mean."""
    return tuple(max(value, 0) for value in sample.values)
