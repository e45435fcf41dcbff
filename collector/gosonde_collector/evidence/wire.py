"""profile.proto into plain values. The only module of `evidence` that knows the generated code."""

from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError
from gosonde_pb.pprof.v1 import profile_pb2

from gosonde_collector.errors import ProfileError
from gosonde_collector.evidence.lines import MAX_FRAMES
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.evidence.records import check_records

#: What the outermost frame of every goroutine returns to.
EXIT = "runtime.goexit"


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
    groups = (_group(number, sample, stacks) for number, sample in enumerate(profile.sample))
    return GoroutineProfile("proto", tuple(groups), max(profile.time_nanos, 0))


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
