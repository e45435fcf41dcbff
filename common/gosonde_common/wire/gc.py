"""GC figures out of a message of the agent's query service."""

from dataclasses import fields
from typing import Literal

from gosonde_pb.v1 import agent_pb2

from gosonde_common.values.gc import GcFigures, LastCycle, PastPause

#: Fields whose absence stands for -1.
OPTIONAL: tuple[Literal["heap_goal_bytes", "gc_percent", "memory_limit_bytes"], ...] = (
    "heap_goal_bytes",
    "gc_percent",
    "memory_limit_bytes",
)
PLAIN = ("cycles", "forced_cycles", "pause_total_ns", "heap_live_bytes", "cpu_fraction")
CYCLE = tuple(field.name for field in fields(LastCycle) if field.name != "start_ns")


def decode(response: agent_pb2.ReadGcResponse) -> GcFigures:
    """The figures in a message."""
    return GcFigures(
        **{name: getattr(response, name) for name in PLAIN},
        **{name: getattr(response, name) if response.HasField(name) else -1 for name in OPTIONAL},
        pauses=tuple(PastPause(pause.cycle, pause.end_unix_nano, pause.duration_ns) for pause in response.pauses),
        last=_cycle(response.last_cycle) if response.HasField("last_cycle") else None,
    )


def _cycle(message: agent_pb2.LastCycle) -> LastCycle:
    start_ns = message.start_ns if message.HasField("start_ns") else -1
    return LastCycle(start_ns=start_ns, **{name: getattr(message, name) for name in CYCLE})
