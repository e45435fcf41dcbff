"""Columns of audit events as events."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from gosonde_pb.v1 import model_pb2

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.audit import Act, Actor, AuditEvent

#: As the fields of AuditEvent, in their order.
AUDIT: Final = ("ordinal", "at_unix_nano", "act", "actor", "who", "pid", "exe", "detail")


def decode_audit(message: model_pb2.AuditEvents) -> Iterator[AuditEvent]:
    """The events that an agent has noted.

    Raises:
        InvalidInputError: Columns differ in length, or an act or an actor is not known.
    """
    columns: list[Sequence[Any]] = [getattr(message, name) for name in AUDIT]
    if len({len(column) for column in columns}) > 1:
        raise InvalidInputError(f"AuditEvents: columns of different length: {list(map(len, columns))}")
    for ordinal, at_unix_nano, act, actor, *rest in zip(*columns, strict=True):
        try:
            yield AuditEvent(ordinal, at_unix_nano, Act(act), Actor(actor), *rest)
        except ValueError as error:
            raise InvalidInputError(f"AuditEvents: {error}") from error
