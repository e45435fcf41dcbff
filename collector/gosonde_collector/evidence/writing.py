"""Goroutines of a stored snapshot as a profile that go tool pprof reads, and gosonde reads again."""

from collections.abc import Iterable, Iterator
from typing import Final

from gosonde_common.values.goroutines import Location
from gosonde_common.wire.profile import MOST_TOGETHER, READ_BY_GOSONDE, UNREAD, Alike, Sample, encode_samples

from gosonde_collector.evidence.model import FOR_A, MEMORY, Frame, GoroutineGroup

#: States that are no wait reasons.
STATUSES: Final = frozenset({"", "runnable", "running", "syscall", "waiting", "preempted", "copystack", "leaked"})
NOWHERE: Final = Location("", "", 0)


def as_pprof(groups: Iterable[GoroutineGroup], form: str, taken_unix_nano: int) -> bytes:
    """A gzipped profile.proto of some groups of a profile in this format."""
    samples = (sample for group in groups for sample in _samples(group))
    return encode_samples(samples, taken_unix_nano, READ_BY_GOSONDE if form == MEMORY else "")


def _samples(group: GoroutineGroup) -> Iterator[Sample]:
    """One, or more where the list of goids would be long: the first one then has the bytes of all stacks."""
    alike = _alike(group)
    if len(group.goids) != group.count:
        yield Sample(alike, group.count, (), group.stack_bytes)
        return
    for start in range(0, group.count, MOST_TOGETHER):
        goids = group.goids[start : start + MOST_TOGETHER]
        yield Sample(alike, len(goids), goids, 0 if start else group.stack_bytes)


def _alike(group: GoroutineGroup) -> Alike:
    state, _, waits_for = group.state.partition(FOR_A)
    is_status = state in STATUSES
    return Alike(
        stack=(UNREAD,) if group.unread else tuple(map(_location, group.frames)),
        status=state if is_status else "waiting",
        wait_reason="" if is_status else state,
        created_by=_location(group.created_by) if group.created_by else NOWHERE,
        age_s=group.wait_s or None,
        waits_for=waits_for,
    )


def _location(frame: Frame) -> Location:
    return Location(frame.function, frame.file, frame.line)
