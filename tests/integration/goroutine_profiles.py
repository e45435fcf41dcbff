"""Goroutines as pprof has them, to compare with those that gosonde read."""

import gzip
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from gosonde_agent.golang.pclntab import printed_name
from gosonde_common.values.goroutines import Goroutine
from gosonde_pb.pprof.v1 import profile_pb2

Stack = tuple[tuple[str, int], ...]

#: Frames that pprof's proto keeps of a stack: 32 up to Go 1.22, 128 from 1.23.
OLD_DEPTH, DEPTH = 32, 128
DEPTH_SINCE = 23


def pprof_stacks(path: Path) -> Counter[Stack]:
    """How many goroutines each stack of a pprof goroutine profile has."""
    profile = profile_pb2.Profile.FromString(gzip.decompress(path.read_bytes()))
    names = {f.id: printed_name(profile.string_table[f.name]) for f in profile.function}
    frames = {
        place.id: tuple((names[line.function_id], line.line) for line in place.line) for place in profile.location
    }
    stacks: Counter[Stack] = Counter()
    for sample in profile.sample:
        stacks[tuple(frame for place in sample.location_id for frame in frames[place])] += sample.value[0]
    return stacks


def read_stacks(goroutines: Iterable[Goroutine], minor: int) -> Counter[Stack]:
    """The same of goroutines that were read, cut to what pprof of that Go version keeps."""
    depth = DEPTH if minor >= DEPTH_SINCE else OLD_DEPTH
    return Counter(
        tuple((frame.function, frame.line) for frame in goroutine.stack)[:depth]
        for goroutine in goroutines
        if not goroutine.system
    )


def without_main(stacks: Counter[Stack]) -> Counter[Stack]:
    """Without the main goroutine, which runs pprof while pprof looks and waits for a command while gosonde looks."""
    return Counter({stack: count for stack, count in stacks.items() if stack[-1:] and stack[-1][0] != "runtime.main"})
