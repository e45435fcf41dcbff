"""Readings of pending timers: checked columns, with a list for each column of a reading's groups."""

from typing import Any, Final

import numpy as np
from gosonde_common.values.timers import ALL_READ, MAX_TIMER_GROUPS, UNKNOWN, TimerKind
from gosonde_pb.v1 import model_pb2

from gosonde_collector.ingest.columns import equal_lengths, numbers, objects, strings
from gosonde_collector.model.errors import BatchError
from gosonde_collector.model.values import Columns

NUMBERS: Final = (
    *("read_unix_nano", "pending", "others", "other_groups", "changing", "unproved", "stands_for_thousandths"),
)
TEXTS: Final = ("unread", "heap_unread")
GROUP_TEXTS: Final = ("callback", "waits_in", "kind")
GROUP_NUMBERS: Final = ("pending", "next_in_ns", "period_ns", "retained_heap_bytes", "lasting")


def columns(message: model_pb2.TimerReadings) -> Columns:
    """The columns of a message; those of groups have "group_" before their names, and a list in each row.

    Raises:
        BatchError: A value is out of range, groups are too many or do not add up, a kind is not known, or more last
            than are pending.
    """
    where = "timer_readings"
    found = {name: numbers(f"{where}.{name}", getattr(message, name)) for name in ("process", *NUMBERS)}
    found |= {name: strings(f"{where}.{name}", getattr(message, name)) for name in TEXTS}
    equal_lengths(where, [len(message.groups), *map(len, found.values())])
    lists = [_groups(f"{where}.groups[{row}]", groups) for row, groups in enumerate(message.groups)]
    for row, groups in enumerate(lists):
        if sum(groups["group_pending"]) + int(found["others"][row]) != int(found["pending"][row]):
            raise BatchError(f"{where}.pending[{row}] is not what is pending in its groups and in others")
        if found["stands_for_thousandths"][row] < np.int64(ALL_READ):
            raise BatchError(f"{where}.stands_for_thousandths[{row}] is below {ALL_READ}")
    names = [f"group_{name}" for name in (*GROUP_TEXTS, *GROUP_NUMBERS)]
    return found | {name: objects([groups[name] for groups in lists]) for name in names}


def _groups(where: str, message: model_pb2.TimerGroups) -> dict[str, list[Any]]:
    if len(message.pending) > MAX_TIMER_GROUPS:
        raise BatchError(f"{where} has {len(message.pending)} groups; a reading may have {MAX_TIMER_GROUPS}")
    found = {name: strings(f"{where}.{name}", getattr(message, name)) for name in GROUP_TEXTS}
    found |= {name: numbers(f"{where}.{name}", getattr(message, name)) for name in GROUP_NUMBERS}
    if not message.lasting:  # older agents send none
        found["lasting"] = np.full(len(found["pending"]), UNKNOWN)
    equal_lengths(where, list(map(len, found.values())))
    if np.greater(found["lasting"], found["pending"]).any():
        raise BatchError(f"{where}.lasting has more than are pending")
    if unknown := set(message.kind) - set(TimerKind):
        raise BatchError(f"{where}.kind has {min(unknown)!r}, which is not known")
    return {f"group_{name}": column.tolist() for name, column in found.items()}
