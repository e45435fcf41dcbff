"""What of a finding's functions escapes to the heap, and how much of it a heap profile shows in use, line by line.

A heap profile says where memory was allocated, and not who holds it. So numbers of objects stand beside the number of
goroutines, and nothing is concluded from both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.user_code import is_user_code
from gosonde_collector.evidence.context import HeapProfile, HeapSample
from gosonde_collector.evidence.escapes.matching import Missing, Source, Sources, base, local_name
from gosonde_collector.evidence.escapes.model import PARAMETER, Value
from gosonde_collector.evidence.model import Frame
from gosonde_collector.evidence.names import package_of, plain_name
from gosonde_collector.store.protocol import Store

#: Lines of a finding that are shown, and values of each.
MOST_LINES: Final = 20
MOST_VALUES: Final = 10


class Amounts(NamedTuple):
    """What was allocated at a line, by a heap profile: since the program began, and of that what is in use."""

    alloc_objects: int = 0
    alloc_bytes: int = 0
    inuse_objects: int = 0
    inuse_bytes: int = 0


@dataclass(frozen=True, slots=True)
class EscapeLine:
    """A line on which values escape.

    Attributes:
        function: As the program names it, without closures.
        file: As the program names it.
        values: By column.
        amounts: None without a heap profile, and where only parameters escape, which callers have made.
    """

    function: str
    file: str
    line: int
    values: tuple[Value, ...]
    amounts: Amounts | None = None


@dataclass(frozen=True, slots=True)
class FindingEscapes:
    """What the compiler says of a finding's functions.

    Attributes:
        stored_unix_nano: When its output came.
        is_detailed: It was written with `-m -m`; else it has no reasons, and lines of known calls alone.
        heap_taken_unix_nano: When the heap profile was taken; None without one.
        lines: Those with the most bytes in use first, then in the order of calls and lines; at most MOST_LINES.
        lines_left_out: How many more there are.
        missing: (function, why) of functions that are not in the output.
    """

    stored_unix_nano: int
    is_detailed: bool
    heap_taken_unix_nano: int | None
    lines: tuple[EscapeLine, ...]
    lines_left_out: int
    missing: tuple[tuple[str, str], ...]


def escapes_of(store: Store, finding: Finding, heap: HeapProfile | None) -> FindingEscapes | None:
    """What escapes in the function with the `go` statement, in what its goroutines run first, and in what they call.

    None where no output of the build is stored. Raises StoreError.
    """
    calls = _calls(finding)
    read = store.escapes(finding.site.build_id, sorted({base(call.file) for call in calls}))
    if read is None:
        return None
    sources = Sources(read.escapes)
    found = {call: sources.find(call) for call in calls}
    where = {source: call for call, source in reversed(found.items()) if isinstance(source, Source)}
    first = next((sources.starting(finding.site.start_function, source.package) for source in where), None)
    if first and first not in where:
        where[first] = Frame(finding.site.start_function, first.file, first.start)
    lines = list(_lines(read.escapes.values, where))
    if heap:
        lines = _with_amounts(lines, where, heap.samples)
    lines.sort(key=lambda line: -line.amounts.inuse_bytes if line.amounts else 0)
    missing = {call.function: str(why) for call, why in found.items() if isinstance(why, Missing)}
    return FindingEscapes(
        read.stored_unix_nano,
        read.escapes.is_detailed,
        heap.taken_unix_nano if heap else None,
        tuple(lines[:MOST_LINES]),
        max(len(lines) - MOST_LINES, 0),
        tuple(missing.items()),
    )


def _calls(finding: Finding) -> list[Frame]:
    """The `go` statement, then the program's own calls on the goroutines' stacks, each once."""
    site = finding.site
    own = (frame for _, frames in finding.stacks for frame in frames if is_user_code(frame))
    statement = [Frame(site.function, site.file, site.line)] if site.function and site.file else []
    return list(dict.fromkeys([*statement, *own]))


def _lines(values: Iterable[Value], where: Mapping[Source, Frame]) -> Iterator[EscapeLine]:
    """Without amounts, in the order of `where`, then of lines."""
    kept = list(values)
    for source, call in where.items():
        of_line: dict[int, list[Value]] = {}
        for value in sorted((one for one in kept if source.has(one)), key=lambda one: (one.line, one.column)):
            of_line.setdefault(value.line, []).append(value)
        for line, here in of_line.items():
            yield EscapeLine(_name(source, call), call.file, line, tuple(here[:MOST_VALUES]))


def _name(source: Source, call: Frame) -> str:
    return f"{package_of(call.function)}.{source.name}"


def _with_amounts(
    lines: Sequence[EscapeLine], where: Mapping[Source, Frame], samples: Iterable[HeapSample]
) -> list[EscapeLine]:
    sums = {
        (line.function, line.file, line.line): Amounts()
        for line in lines
        if any(value.kind != PARAMETER for value in line.values)
    }
    inlined = {
        (line.function, line.file, line.line): {name for value in line.values for name in value.inlined}
        for line in lines
    }
    for sample in samples:
        for key, inner in _places(sample.frames, where):
            if key in sums and all(_names(frame) & inlined[key] for frame in inner):
                amounts = sample.alloc_objects, sample.alloc_bytes, sample.inuse_objects, sample.inuse_bytes
                sums[key] = Amounts(*map(sum, zip(sums[key], amounts, strict=True)))
    return [replace(line, amounts=sums.get((line.function, line.file, line.line))) for line in lines]


def _places(
    frames: Sequence[Frame], where: Mapping[Source, Frame]
) -> Iterator[tuple[tuple[str, str, int], Sequence[Frame]]]:
    """The innermost call in one of the functions, and the calls in it: none where it has allocated itself.

    The runtime's own calls are not in the profile (runtime/pprof.writeHeapProto).
    """
    for number, frame in enumerate(frames):
        for source, call in where.items():
            if source.is_of(frame) and source.covers(frame.line):
                yield (_name(source, call), call.file, frame.line), frames[:number]
                return


def _names(frame: Frame) -> set[str]:
    """A function as the compiler names one that it inlines: with the name of its package where that is another."""
    local = local_name(frame.function)
    return {local, f"{package_of(frame.function).rpartition('/')[2]}.{local}", plain_name(frame.function)}
