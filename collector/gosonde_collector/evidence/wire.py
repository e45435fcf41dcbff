"""profile.proto into plain values. The only module of `evidence` that knows the generated code."""

from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError
from gosonde_pb.pprof.v1 import profile_pb2

from gosonde_collector.errors import ProfileError
from gosonde_collector.evidence.lines import MAX_FRAMES
from gosonde_collector.evidence.model import FOR_A, MEMORY, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.evidence.records import check_records

#: What the outermost frame of every goroutine returns to.
EXIT = "runtime.goexit"
#: The comment of a profile that gosonde read from a process's memory, what its labels are called, and the function that
#: stands for the stack of a goroutine that ran.
READ_BY_GOSONDE = "read by gosonde"
STATE, WAIT_REASON, CREATED_BY, AGE, WAITS_FOR = "state", "wait_reason", "created_by", "age", "waits_for"
NO_STACK = "[active: no stack]"


def parse_proto(data: bytes) -> GoroutineProfile:
    """Parses a whole profile.proto that holds goroutines.

    Raises:
        ProfileError: It is damaged, holds something else, or refers to what it does not contain.
    """
    check_records(data)
    try:
        profile = profile_pb2.Profile.FromString(data)
    except DecodeError as error:
        raise ProfileError(f"not a profile.proto: {error}") from error
    strings = profile.string_table
    _check_type(profile, strings)
    functions = {function.id: function for function in profile.function}
    stacks = {place.id: _frames(place, functions, strings) for place in profile.location}
    from_memory = READ_BY_GOSONDE in (_string(strings, comment) for comment in profile.comment)
    groups = [_group(number, sample, stacks) for number, sample in enumerate(profile.sample)]
    if from_memory:
        labels = (_labels(sample, strings) for sample in profile.sample)
        groups = [_labelled(group, *known) for group, known in zip(groups, labels, strict=True)]
    return GoroutineProfile(MEMORY if from_memory else "proto", tuple(groups), max(profile.time_nanos, 0))


def _check_type(profile: profile_pb2.Profile, strings: Sequence[str]) -> None:
    kinds = [_string(strings, kind.type) for kind in profile.sample_type]
    if kinds != ["goroutine"]:
        raise ProfileError(f"not a goroutine profile: its samples are {', '.join(kinds) or 'of no type'}")


def _group(number: int, sample: profile_pb2.Sample, stacks: Mapping[int, Sequence[Frame]]) -> GoroutineGroup:
    if len(sample.value) != 1 or sample.value[0] < 1:
        raise ProfileError(f"sample {number} of the profile has no count of goroutines")
    if len(sample.location_id) > MAX_FRAMES:
        raise ProfileError(f"sample {number} of the profile has more than {MAX_FRAMES} frames")
    try:
        frames = [frame for place in sample.location_id for frame in stacks[place]]
    except KeyError as error:
        raise ProfileError(f"sample {number} of the profile refers to location {error}, which is not there") from error
    return GoroutineGroup(sample.value[0], tuple(frame for frame in frames if frame.function != EXIT))


def _labels(sample: profile_pb2.Sample, strings: Sequence[str]) -> tuple[dict[str, str], int]:
    """(text by key, age in seconds) of a sample."""
    texts = {_string(strings, label.key): _string(strings, label.str) for label in sample.label}
    ages = (label.num for label in sample.label if _string(strings, label.key) == AGE)
    return texts, max(next(ages, 0), 0)


def _labelled(group: GoroutineGroup, texts: Mapping[str, str], age_s: int) -> GoroutineGroup:
    function, _, place = texts.get(CREATED_BY, "").partition(" ")
    file, _, line = place.rpartition(":")
    created_by = Frame(function, file, int(line)) if function and line.isascii() and line.isdigit() else None
    state = texts.get(WAIT_REASON) or texts.get(STATE, "")
    if waits_for := texts.get(WAITS_FOR):
        state = f"{state}{FOR_A}{waits_for}"
    frames = tuple(frame for frame in group.frames if frame.function != NO_STACK)
    return GoroutineGroup(group.count, frames, created_by, state, age_s // 60)


def _frames(
    place: profile_pb2.Location, functions: Mapping[int, profile_pb2.Function], strings: Sequence[str]
) -> list[Frame]:
    if len(place.line) > MAX_FRAMES:
        raise ProfileError(f"location {place.id} of the profile has more than {MAX_FRAMES} inlined calls")
    frames = []
    for line in place.line:
        function = functions.get(line.function_id)
        if function is None:
            raise ProfileError(
                f"location {place.id} of the profile refers to function {line.function_id}, which is not there"
            )
        frames.append(Frame(_string(strings, function.name), _string(strings, function.filename), line.line))
    return frames


def _string(strings: Sequence[str], index: int) -> str:
    if not 0 <= index < len(strings):
        raise ProfileError(f"the profile refers to string {index} of {len(strings)}")
    return strings[index]
