"""Decodes what all kinds of profile.proto have in common: strings, stacks, numbers, labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from gosonde_pb.pprof.v1 import profile_pb2

from gosonde_collector.evidence.lines import MAX_FRAMES
from gosonde_collector.evidence.model import Frame
from gosonde_collector.evidence.records import check_records
from gosonde_collector.model.errors import ProfileError

#: What the outermost frame of every goroutine returns to.
EXIT = "runtime.goexit"
#: Of all samples together, inlined calls included: a small file can name the same ones again and again.
MAX_ALL_FRAMES = 10_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One stack with a value for each type of the profile.

    Attributes:
        frames: Innermost first.
        texts: Labels that are strings, by key.
        numbers: Labels that are numbers, by key.
    """

    frames: tuple[Frame, ...]
    values: tuple[int, ...]
    texts: Mapping[str, str]
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A profile.proto with every reference followed."""

    types: tuple[str, ...]
    samples: tuple[Sample, ...]
    comments: frozenset[str]
    taken_unix_nano: int


def decode(data: bytes) -> Decoded:
    """Decodes a whole profile.proto of any kind.

    Raises:
        ProfileError: It is damaged, or refers to what it does not contain.
    """
    check_records(data)
    try:
        profile = profile_pb2.Profile.FromString(data)
    except DecodeError as error:
        raise ProfileError(f"not a profile.proto: {error}") from error
    strings = profile.string_table
    types = tuple(_string(strings, kind.type) for kind in profile.sample_type)
    functions = {function.id: function for function in profile.function}
    stacks = {place.id: _frames(place, functions, strings) for place in profile.location}
    _check_frames(profile, stacks)
    return Decoded(
        types,
        tuple(_sample(number, sample, stacks, strings, len(types)) for number, sample in enumerate(profile.sample)),
        frozenset(_string(strings, comment) for comment in profile.comment),
        max(profile.time_nanos, 0),
    )


def _check_frames(profile: profile_pb2.Profile, stacks: Mapping[int, Sequence[Frame]]) -> None:
    """No sample, nor all of them, has too many frames once locations are followed."""
    lengths, total = {place: len(frames) for place, frames in stacks.items()}, 0
    for number, sample in enumerate(profile.sample):
        frames = sum(lengths.get(place, 0) for place in sample.location_id)
        total += frames
        if frames > MAX_FRAMES:
            raise ProfileError(f"sample {number} of the profile has more than {MAX_FRAMES} frames")
        if total > MAX_ALL_FRAMES:
            raise ProfileError(f"the first {number + 1} samples of the profile have more than {MAX_ALL_FRAMES} frames")


def _sample(
    number: int,
    sample: profile_pb2.Sample,
    stacks: Mapping[int, Sequence[Frame]],
    strings: Sequence[str],
    values: int,
) -> Sample:
    if len(sample.value) != values:
        raise ProfileError(f"sample {number} of the profile has {len(sample.value)} values instead of {values}")
    try:
        frames = [frame for place in sample.location_id for frame in stacks[place]]
    except KeyError as error:
        raise ProfileError(f"sample {number} of the profile refers to location {error}, which is not there") from error
    return Sample(
        tuple(frame for frame in frames if frame.function != EXIT),
        tuple(sample.value),
        {_string(strings, label.key): _string(strings, label.str) for label in sample.label if label.str},
        {_string(strings, label.key): label.num for label in sample.label if not label.str},
    )


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
