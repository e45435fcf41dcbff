"""What the Go compiler says of escapes, as a collector keeps it and joins it with a finding."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from gosonde_pb.v1 import collector_pb2

from gosonde.transport.uploads import chunks


@dataclass(frozen=True, slots=True)
class PushedEscapes:
    """What the collector made of the output of `go build -gcflags='-m -m'`. docs/json.md says more."""

    build_id: str
    packages: int
    values: int
    functions: int
    kept_on_stack: int
    foreign: int
    passed_over: int
    left_out: int
    is_detailed: bool
    is_cut: bool
    has_replaced: bool


@dataclass(frozen=True, slots=True)
class EscapingValue:
    """A value that escapes; `kind` is "expression", "variable" or "parameter", `why` empty where it is not known."""

    kind: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class EscapeLine:
    """A line on which values escape, and what a heap profile estimates of it: None without one."""

    function: str
    file: str
    line: int
    values: tuple[EscapingValue, ...]
    inuse_objects: int | None
    inuse_bytes: int | None
    alloc_objects: int | None
    alloc_bytes: int | None


@dataclass(frozen=True, slots=True)
class MissingFunction:
    """A function of the finding that is not in the compiler's output."""

    function: str
    why: str


@dataclass(frozen=True, slots=True)
class FindingEscapes:
    """What the compiler says of a finding's functions. docs/json.md says more."""

    stored_unix_nano: int
    is_detailed: bool
    heap_taken_unix_nano: int | None
    lines: tuple[EscapeLine, ...]
    lines_left_out: int
    missing: tuple[MissingFunction, ...]


def pieces(host: str, pid: int, file: IO[bytes]) -> Iterator[collector_pb2.PushEscapesRequest]:
    """The requests that send a file."""
    yield collector_pb2.PushEscapesRequest(header=collector_pb2.EscapesHeader(host=host, pid=pid))
    for chunk in chunks(file):
        yield collector_pb2.PushEscapesRequest(chunk=chunk)


def pushed_escapes_of(answer: collector_pb2.PushEscapesResponse) -> PushedEscapes:
    """The message as a plain value."""
    return PushedEscapes(
        *(answer.build_id, answer.packages, answer.values, answer.functions, answer.kept_on_stack),
        *(answer.foreign, answer.passed_over, answer.left_out),
        *(answer.is_detailed, answer.is_cut, answer.has_replaced),
    )


def finding_escapes_of(found: collector_pb2.FindingEscapes) -> FindingEscapes:
    """The message as a plain value."""
    return FindingEscapes(
        found.stored_unix_nano,
        found.is_detailed,
        found.heap_taken_unix_nano if found.HasField("heap_taken_unix_nano") else None,
        tuple(map(_line, found.lines)),
        found.lines_left_out,
        tuple(MissingFunction(one.function, one.why) for one in found.missing),
    )


def _line(line: collector_pb2.EscapeLine) -> EscapeLine:
    values = tuple(EscapingValue(one.kind, one.name, one.why) for one in line.values)
    place, sums = (line.function, line.file, line.line), line.allocated
    if not line.HasField("allocated"):
        return EscapeLine(*place, values, None, None, None, None)
    return EscapeLine(*place, values, sums.inuse_objects, sums.inuse_bytes, sums.alloc_objects, sums.alloc_bytes)
