"""GC figures as a message of the agent's query service; `gosonde_common.wire.gc` is the way back."""

from gosonde_common.values.gc import GcFigures
from gosonde_common.wire.gc import CYCLE, OPTIONAL, PLAIN
from gosonde_pb.v1 import agent_pb2


def encode(figures: GcFigures) -> agent_pb2.ReadGcResponse:
    """The message."""
    response = agent_pb2.ReadGcResponse(**{name: getattr(figures, name) for name in PLAIN})
    for name in OPTIONAL:
        if getattr(figures, name) >= 0:
            setattr(response, name, getattr(figures, name))
    for pause in figures.pauses:
        response.pauses.add(cycle=pause.cycle, end_unix_nano=pause.end_unix_nano, duration_ns=pause.duration_ns)
    if figures.last:
        response.last_cycle.CopyFrom(agent_pb2.LastCycle(**{name: getattr(figures.last, name) for name in CYCLE}))
        if figures.last.start_ns >= 0:
            response.last_cycle.start_ns = figures.last.start_ns
    return response
