"""What the compiler says of escapes into messages."""

from gosonde_pb.v1 import collector_pb2

from gosonde_collector.analysis.escapes import EscapeLine, FindingEscapes
from gosonde_collector.evidence.escapes.model import Escapes


def pushed(build_id: str, found: Escapes, *, has_replaced: bool) -> collector_pb2.PushEscapesResponse:
    """What PushEscapes answers."""
    return collector_pb2.PushEscapesResponse(
        build_id=build_id,
        packages=found.packages,
        values=len(found.values),
        functions=len(found.functions),
        kept_on_stack=found.kept_on_stack,
        foreign=found.foreign,
        passed_over=found.passed_over,
        left_out=found.left_out,
        is_detailed=found.is_detailed,
        is_cut=found.is_cut,
        has_replaced=has_replaced,
    )


def finding_escapes(found: FindingEscapes) -> collector_pb2.FindingEscapes:
    """A part of ExplainFinding's answer."""
    return collector_pb2.FindingEscapes(
        stored_unix_nano=found.stored_unix_nano,
        is_detailed=found.is_detailed,
        heap_taken_unix_nano=found.heap_taken_unix_nano,
        lines=map(_line, found.lines),
        lines_left_out=found.lines_left_out,
        missing=[collector_pb2.MissingFunction(function=function, why=why) for function, why in found.missing],
    )


def _line(line: EscapeLine) -> collector_pb2.EscapeLine:
    return collector_pb2.EscapeLine(
        function=line.function,
        file=line.file,
        line=line.line,
        values=[collector_pb2.EscapingValue(kind=one.kind, name=one.name, why=one.why) for one in line.values],
        allocated=collector_pb2.Allocated(**line.amounts._asdict()) if line.amounts else None,
    )
