"""Takes pprof's labels out of a profile that a program gave, and says how many goroutines have which."""

import gzip
import zlib
from collections.abc import Collection, Iterable, Iterator

from google.protobuf.message import DecodeError
from gosonde_common.errors import InvalidInputError, OverloadedError
from gosonde_common.values.goroutines import Labels, Location
from gosonde_common.values.labels import EVERYONE, LabelTally
from gosonde_common.wire.label_comments import comments
from gosonde_pb.pprof.v1 import profile_pb2

#: Of a profile that is not packed: as much as a collector takes.
MAX_BYTES = 32 << 20
#: What the first call of every goroutine returns to.
EXIT = "runtime.goexit"


def labels_counted(data: bytes, allowed: Collection[str]) -> bytes:
    """The gzipped profile.proto without labels that are text; what they were is in its comments, as `comments` has it.

    Raises:
        InvalidInputError: It is no gzipped profile.proto, or refers to what it does not contain.
        OverloadedError: It is too large.
    """
    try:
        profile = profile_pb2.Profile.FromString(_plain(data))
        if not any(label.str for sample in profile.sample for label in sample.label):
            return data
        tally = LabelTally(allowed)
        for place, labels, count in _samples(profile):
            tally.add(place, labels, count)
    except (DecodeError, zlib.error, IndexError) as error:
        raise InvalidInputError(f"the program's profile is damaged: {error}") from error
    _take_out(profile)
    for comment in comments(tally.found()):
        profile.comment.append(len(profile.string_table))
        profile.string_table.append(comment)
    return gzip.compress(profile.SerializeToString(), compresslevel=6, mtime=0)


def _plain(data: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)
    plain = unpacking.decompress(data, MAX_BYTES + 1)
    if len(plain) > MAX_BYTES:
        raise OverloadedError(f"the program's profile inflates to more than {MAX_BYTES} bytes")
    if not unpacking.eof:
        raise InvalidInputError("the program's profile is cut off")
    return plain


def _samples(profile: profile_pb2.Profile) -> Iterator[tuple[Location, Labels, int]]:
    """(with what they began, their labels, how many goroutines) of each sample."""
    strings = profile.string_table
    functions = {function.id: strings[function.name] for function in profile.function}
    outermost = {at.id: [functions.get(line.function_id, "") for line in at.line] for at in profile.location}
    for sample in profile.sample:
        labels = tuple((strings[label.key], strings[label.str]) for label in sample.label if label.str)
        yield _start(sample.location_id, outermost), labels, max(sample.value[0], 0)


def _start(stack: Iterable[int], outermost: dict[int, list[str]]) -> Location:
    """The outermost call, without runtime.goexit."""
    for place in reversed(list(stack)):
        for name in reversed(outermost.get(place, [])):
            if name != EXIT:
                return Location(name, "", 0)
    return EVERYONE


def _take_out(profile: profile_pb2.Profile) -> None:
    """The labels, and the texts that only they had."""
    removed: set[int] = set()
    for sample in profile.sample:
        kept = [label for label in sample.label if not label.str]
        if len(kept) < len(sample.label):
            removed.update(number for label in sample.label if label.str for number in (label.key, label.str))
            del sample.label[:]
            sample.label.extend(kept)
    for number in removed - _used(profile):
        if 0 < number < len(profile.string_table):
            profile.string_table[number] = ""


def _used(profile: profile_pb2.Profile) -> set[int]:
    """The texts that something refers to."""
    types = (*profile.sample_type, profile.period_type)
    return {
        *profile.comment,
        *(number for of in types for number in (of.type, of.unit)),
        *(number for of in profile.mapping for number in (of.filename, of.build_id)),
        *(number for of in profile.function for number in (of.name, of.system_name, of.filename)),
        *(number for sample in profile.sample for of in sample.label for number in (of.key, of.num_unit)),
    }
