"""Goroutines as a pprof goroutine profile (profile.proto), with labels that pprof's own lacks."""

import gzip
from collections import Counter
from collections.abc import Iterable

from gosonde.errors import OverloadedError
from gosonde_pb.pprof.v1 import profile_pb2

from gosonde_agent.golang.pclntab import Location
from gosonde_agent.sources.memory.dump import Goroutine

#: Labels of a sample.
STATE, WAIT_REASON, CREATED_BY, AGE, WAITS_FOR = "state", "wait_reason", "created_by", "age", "waits_for"
AGE_UNIT = "seconds"
#: The profile's comment, by which the collector knows it.
READ_BY_GOSONDE = "read by gosonde"

#: Frames of all samples together, each counted with so many frames more for its labels: what bounds the profile's size
#: below the 32 MiB that a collector takes.
MAX_FRAMES = 2_000_000
SAMPLE_FRAMES = 10

#: Stands for the stack of a goroutine that ran or moved while it was read.
ACTIVE = Location("[active: no stack]", "", 0)

_Key = tuple[tuple[Location, ...], str, str, Location, int | None, str]


def encode_profile(goroutines: Iterable[Goroutine], taken_unix_nano: int) -> bytes:
    """The profile, gzipped, of all goroutines that pprof would show: those that are not the runtime's own.

    Goroutines that agree in stack, state, wait reason, creation site and age (in whole seconds) are one sample.

    Raises:
        OverloadedError: There are more different ones than fit into a profile.
    """
    counts: Counter[_Key] = Counter()
    room = MAX_FRAMES
    for goroutine in goroutines:
        if goroutine.system:
            continue
        key = _key(goroutine)
        if key not in counts and (room := room - SAMPLE_FRAMES - len(goroutine.stack)) < 0:
            raise OverloadedError(f"the goroutines are too different for one profile: {len(counts)} samples and more")
        counts[key] += 1
    writer = _Writer(taken_unix_nano)
    for key, count in counts.most_common():
        writer.add(key, count)
    return gzip.compress(writer.profile.SerializeToString(), compresslevel=6, mtime=0)


def _key(goroutine: Goroutine) -> _Key:
    age = None if goroutine.wait_ns is None else goroutine.wait_ns // 1_000_000_000
    stack = goroutine.stack or (ACTIVE,)
    return stack, goroutine.status, goroutine.wait_reason, goroutine.created_by, age, goroutine.waits_for


class _Writer:
    """Builds the message: every string, function and location once."""

    def __init__(self, taken_unix_nano: int) -> None:
        self._strings = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Location, int] = {}
        self.profile = profile_pb2.Profile(string_table=[""], time_nanos=taken_unix_nano, period=1)
        self.profile.sample_type.add(type=self._string("goroutine"), unit=self._string("count"))
        self.profile.period_type.type = self._string("goroutine")
        self.profile.period_type.unit = self._string("count")
        self.profile.comment.append(self._string(READ_BY_GOSONDE))

    def add(self, key: _Key, count: int) -> None:
        stack, status, wait_reason, created_by, age, waits_for = key
        sample = self.profile.sample.add(value=[count], location_id=[self._location(frame) for frame in stack])
        site = f"{created_by.function} {created_by.file}:{created_by.line}" if created_by.function else ""
        texts = ((STATE, status), (WAIT_REASON, wait_reason), (CREATED_BY, site), (WAITS_FOR, waits_for))
        for name, value in texts:
            if value:
                sample.label.add(key=self._string(name), str=self._string(value))
        if age is not None:
            sample.label.add(key=self._string(AGE), num=age, num_unit=self._string(AGE_UNIT))

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
