"""Findings with their evidence, and what a collector made of gctrace logs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gosonde_common.values.ages import AgeBar, Ages
from gosonde_pb.v1 import collector_pb2

from gosonde.escapes import FindingEscapes, finding_escapes_of
from gosonde.proofs import Proof, proof_of
from gosonde.row_wire import finding_of, verdict_name
from gosonde.rows import Finding


@dataclass(frozen=True, slots=True)
class StackFrame:
    """A place in the program."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that the garbage collector does; `verdict` as a witness's."""

    name: str
    verdict: str
    detail: str


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack, innermost first, and how many goroutines have it."""

    goroutines: int
    frames: tuple[StackFrame, ...]


@dataclass(frozen=True, slots=True)
class Persistence:
    """How many goroutines of an earlier snapshot are in a later one too."""

    witness: str
    earlier_unix_nano: int
    later_unix_nano: int
    earlier: int
    persisted: int
    later: int


@dataclass(frozen=True, slots=True)
class Contention:
    """Waits that have ended, as the newest profile of a `kind`, "block", "mutex" or "trace", has them.

    Attributes:
        reason: Why they waited, where an execution trace ("trace") says it.
    """

    kind: str
    taken_unix_nano: int
    waits: int
    delay_ns: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Findings, how long ago they were judged (None: the collector does not say), and whether that is too long ago."""

    findings: tuple[Finding, ...]
    analysis_age_ns: int | None
    is_stale: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """A finding with its evidence. docs/json.md says more."""

    finding: Finding
    cause_reason: str
    states: dict[str, int]
    stack: tuple[StackFrame, ...]
    points: tuple[tuple[int, int], ...]
    gc_signs: tuple[Sign, ...]
    opened_unix_nano: int
    grew_unix_nano: int
    details: dict[str, str]
    shares: dict[str, float]
    oldest_wait_ns: int
    persistence: Persistence | None
    stack_bytes: int | None
    heap_bytes: int | None
    stacks: tuple[Stack, ...]
    clock_offset_ns: int
    contentions: tuple[Contention, ...]
    analysis_age_ns: int | None
    analysis_is_stale: bool
    proof: Proof | None
    ages: Ages | None
    escapes: FindingEscapes | None


@dataclass(frozen=True, slots=True)
class PushedTrace:
    """What the collector made of gctrace lines."""

    cycles: int
    others: int
    agreeing: int
    differing: int
    largest_difference_ns: int
    torn: int = 0


def pushed_trace_of(answer: collector_pb2.PushGcTraceResponse) -> PushedTrace:
    """The message as a plain value."""
    return PushedTrace(
        *(answer.cycles, answer.others, answer.agreeing, answer.differing),
        answer.largest_difference_ns,
        answer.torn,
    )


def listing_of(answer: collector_pb2.ListFindingsResponse) -> Listing:
    """The message as a plain value. Raises InvalidInputError as `finding_of`."""
    age_ns = _age(answer)
    found = (replace(finding_of(finding), analysis_age_ns=age_ns) for finding in answer.findings)
    return Listing(tuple(found), age_ns, answer.analysis_is_stale)


def explanation_of(answer: collector_pb2.ExplainFindingResponse) -> Explanation:
    """The message as a plain value. Raises InvalidInputError as `finding_of`."""
    finding = replace(finding_of(answer.finding), analysis_age_ns=_age(answer))
    return Explanation(
        finding,
        answer.cause_reason,
        {state.state: state.goroutines for state in answer.states},
        _frames(answer.stack),
        tuple((point.unix_nano, point.live) for point in answer.points),
        tuple(Sign(sign.name, verdict_name(sign.verdict), sign.detail) for sign in answer.gc_signs),
        answer.opened_unix_nano,
        answer.grew_unix_nano,
        finding.details,
        dict(answer.shares),
        answer.oldest_wait_ns,
        _persistence(answer.persistence) if answer.HasField("persistence") else None,
        answer.stack_bytes if answer.HasField("stack_bytes") else None,
        answer.heap_bytes if answer.HasField("heap_bytes") else None,
        tuple(Stack(stack.goroutines, _frames(stack.frames)) for stack in answer.stacks),
        answer.clock_offset_ns,
        tuple(
            Contention(row.kind, row.taken_unix_nano, row.waits, row.delay_ns, row.reason) for row in answer.contentions
        ),
        _age(answer),
        answer.analysis_is_stale,
        proof_of(answer.proof) if answer.HasField("proof") else None,
        _ages(answer.ages) if answer.HasField("ages") else None,
        finding_escapes_of(answer.escapes) if answer.HasField("escapes") else None,
    )


def _ages(ages: collector_pb2.Ages) -> Ages:
    bars = tuple(AgeBar(bar.at_least_ns, bar.goroutines) for bar in ages.bars)
    return Ages(bars, ages.not_known, ages.even if ages.HasField("even") else None)


def _age(answer: collector_pb2.ListFindingsResponse | collector_pb2.ExplainFindingResponse) -> int | None:
    return answer.analysis_age_ns if answer.HasField("analysis_age_ns") else None


def _frames(frames: Iterable[collector_pb2.Frame]) -> tuple[StackFrame, ...]:
    return tuple(StackFrame(frame.function, frame.file, frame.line) for frame in frames)


def _persistence(kept: collector_pb2.Persistence) -> Persistence:
    return Persistence(
        kept.witness, kept.earlier_unix_nano, kept.later_unix_nano, kept.earlier, kept.persisted, kept.later
    )
