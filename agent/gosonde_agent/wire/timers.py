"""Readings of pending timers as messages."""

from collections.abc import Sequence

from gosonde_common.values.observation import TimerReading
from gosonde_common.values.timers import ALL_READ, TimerGroup
from gosonde_common.wire.timers import GROUPS
from gosonde_pb.v1 import model_pb2

from gosonde_agent.wire.texts import text


def encode_timers(message: model_pb2.TimerReadings, rows: Sequence[TimerReading], positions: Sequence[int]) -> None:
    """Adds the rows; `positions` are where their processes are in the same observation."""
    message.process.extend(positions)
    message.read_unix_nano.extend([row.read_unix_nano for row in rows])
    message.unread.extend([text(row.unread) for row in rows])
    message.pending.extend([row.pending for row in rows])
    message.others.extend([row.others for row in rows])
    message.other_groups.extend([row.other_groups for row in rows])
    message.changing.extend([row.found.changing for row in rows])
    message.unproved.extend([row.found.unproved for row in rows])
    message.stands_for_thousandths.extend([round(row.found.each_stands_for * ALL_READ) for row in rows])
    message.heap_unread.extend([text(row.found.heap_unread) for row in rows])
    message.groups.extend([_groups(row.found.groups) for row in rows])


def _groups(groups: Sequence[TimerGroup]) -> model_pb2.TimerGroups:
    message = model_pb2.TimerGroups()
    for group in groups:
        texts = text(group.callback), text(group.waits_in), group.kind.value
        numbers = (
            group.pending,
            group.next_in_ns,
            group.period_ns or 0,
            group.retained_heap_bytes or 0,
            group.lasting or 0,
        )
        for name, value in zip(GROUPS, (*texts, *numbers), strict=True):
            getattr(message, name).append(value)
    return message
