"""Explanations and answers about gctrace logs into messages."""

from collections.abc import Sequence

from gosonde_common.values.ages import Ages
from gosonde_pb.v1 import collector_pb2

from gosonde_collector.analysis.explanation import Explanation
from gosonde_collector.analysis.gctraces import Comparison
from gosonde_collector.analysis.persistence import Persistence
from gosonde_collector.analysis.steps import SECOND
from gosonde_collector.evidence.gctrace import GcTrace
from gosonde_collector.evidence.model import Frame
from gosonde_collector.query.escape_wire import finding_escapes
from gosonde_collector.query.query_wire import proof
from gosonde_collector.query.witness_wire import VERDICTS


def explanation(
    found: Explanation, message: collector_pb2.Finding, clock_offset_ns: int
) -> collector_pb2.ExplainFindingResponse:
    """What ExplainFinding answers; `message` is the finding's."""
    finding = found.finding
    return collector_pb2.ExplainFindingResponse(
        finding=message,
        cause_reason=finding.cause_reason,
        states=[collector_pb2.StateCount(state=state, goroutines=count) for state, count in finding.states],
        stack=_frames(finding.stacks[0][1]) if finding.stacks else (),
        stacks=[collector_pb2.Stack(goroutines=count, frames=_frames(frames)) for count, frames in finding.stacks],
        points=[collector_pb2.LivePoint(unix_nano=moment, live=live) for moment, live in found.points],
        gc_signs=[
            collector_pb2.GcSign(name=sign.name, verdict=VERDICTS[sign.verdict], detail=sign.detail)
            for sign in found.gc_signs
        ],
        opened_unix_nano=finding.opened_unix_nano,
        grew_unix_nano=finding.grew_unix_nano,
        shares=dict(found.shares),
        oldest_wait_ns=finding.oldest_wait_s * SECOND,
        persistence=_persistence(finding.persistence) if finding.persistence else None,
        stack_bytes=found.stack_bytes,
        heap_bytes=found.heap_bytes,
        contentions=[
            collector_pb2.Contention(
                kind=row.kind,
                taken_unix_nano=row.taken_unix_nano,
                waits=row.waits,
                delay_ns=row.delay_ns,
                reason=row.reason,
            )
            for row in found.contentions
        ],
        clock_offset_ns=clock_offset_ns,
        proof=proof(finding.proof) if finding.proof else None,
        ages=_ages(found.ages) if found.ages else None,
        escapes=finding_escapes(found.escapes) if found.escapes else None,
    )


def _ages(found: Ages) -> collector_pb2.Ages:
    bars = [collector_pb2.AgeBar(at_least_ns=bar.at_least_ns, goroutines=bar.goroutines) for bar in found.bars]
    return collector_pb2.Ages(bars=bars, not_known=found.not_known, even=found.even)


def _frames(frames: Sequence[Frame]) -> list[collector_pb2.Frame]:
    return [collector_pb2.Frame(function=f.function, file=f.file, line=f.line) for f in frames]


def _persistence(kept: Persistence) -> collector_pb2.Persistence:
    return collector_pb2.Persistence(
        witness=kept.witness,
        earlier_unix_nano=kept.earlier_unix_nano,
        later_unix_nano=kept.later_unix_nano,
        earlier=kept.earlier,
        persisted=kept.persisted,
        later=kept.later,
    )


def trace_answer(trace: GcTrace, compared: Comparison) -> collector_pb2.PushGcTraceResponse:
    """What PushGcTrace answers."""
    return collector_pb2.PushGcTraceResponse(
        cycles=len(trace.lines),
        others=trace.others,
        agreeing=compared.agreeing,
        differing=compared.differing,
        largest_difference_ns=compared.largest_difference_ns,
        torn=trace.torn,
    )
