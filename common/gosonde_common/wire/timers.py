"""Readings of pending timers, as an agent's messages have them, as values."""

from collections.abc import Sequence
from typing import Any, Final

from gosonde_pb.v1 import model_pb2

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.observation import ProcessKey, TimerReading
from gosonde_common.values.timers import ALL_READ, UNKNOWN, PendingTimers, TimerGroup, TimerKind, groups_of

#: Columns of model.TimerReadings, after the process; those of model.TimerGroups.
READINGS: Final = (
    *("read_unix_nano", "unread", "pending", "others", "other_groups", "changing", "unproved"),
    *("stands_for_thousandths", "heap_unread", "groups"),
)
GROUPS: Final = ("callback", "waits_in", "kind", "pending", "next_in_ns", "period_ns", "retained_heap_bytes", "lasting")


def reading(process: ProcessKey, row: Sequence[Any]) -> TimerReading:
    """A row of model.TimerReadings, in the order of READINGS.

    Raises:
        InvalidInputError: Its groups are in columns of different lengths, of a kind that is not known, or no part of
            what is pending.
    """
    read_unix_nano, unread, pending, others, other_groups, changing, unproved, thousandths, heap_unread, message = row
    groups = read_groups(message)
    found = PendingTimers(groups, changing, thousandths / ALL_READ, unproved, heap_unread)
    if found.pending + others != pending:
        raise InvalidInputError(f"TimerReadings: {pending} timers are pending, and {found.pending + others} in groups")
    return TimerReading(process, read_unix_nano, found, others, other_groups, unread)


def read_groups(message: model_pb2.TimerGroups) -> tuple[TimerGroup, ...]:
    """The groups of one process, in their order.

    Raises:
        InvalidInputError: As `reading`.
    """
    columns: list[Sequence[Any]] = [getattr(message, name) for name in GROUPS[:-1]]
    columns.append(message.lasting or [UNKNOWN] * len(message.pending))  # older agents send none
    if len(set(map(len, columns))) > 1:
        raise InvalidInputError(f"TimerGroups: columns of different length: {list(map(len, columns))}")
    if unknown := set(message.kind) - set(TimerKind):
        raise InvalidInputError(f"TimerGroups: kind {min(unknown)!r} is not known")
    return groups_of(columns)
