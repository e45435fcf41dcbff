"""Audit events that an agent sends: checked columns, as values."""

from typing import Final

from gosonde_common.values.audit import (
    COLLECTORS_ACTORS,
    COLLECTORS_ACTS,
    MAX_DETAIL,
    MAX_EXE,
    MAX_WHO,
    Act,
    Actor,
    AuditEvent,
)
from gosonde_pb.v1 import model_pb2

from gosonde_collector.ingest.columns import equal_lengths, numbers, strings
from gosonde_collector.model.errors import BatchError

NUMBERS: Final = ("ordinal", "at_unix_nano", "pid")
#: Of each text, the most characters.
TEXTS: Final = {"who": MAX_WHO, "exe": MAX_EXE, "detail": MAX_DETAIL}
#: Of each name, those that an agent may say.
NAMES: Final = {"act": frozenset(Act) - COLLECTORS_ACTS, "actor": frozenset(Actor) - COLLECTORS_ACTORS}


def audit_events(message: model_pb2.AuditEvents) -> tuple[AuditEvent, ...]:
    """The events of a message.

    Raises:
        BatchError: Columns differ in length, a value is out of range, a text too long, or a name not one of an agent's.
    """
    where = "audit_events"
    found = {name: numbers(f"{where}.{name}", getattr(message, name)).tolist() for name in NUMBERS}
    found |= {name: strings(f"{where}.{name}", getattr(message, name)).tolist() for name in (*TEXTS, *NAMES)}
    equal_lengths(where, list(map(len, found.values())))
    for name, most in TEXTS.items():
        if max(map(len, found[name]), default=0) > most:
            raise BatchError(f"{where}.{name} has a text of more than {most} characters")
    for name, known in NAMES.items():
        if unknown := [value for value in found[name] if value not in known]:
            raise BatchError(f"{where}.{name} has {unknown[0]!r:.80}, which no agent says")
    rows = zip(*(found[name] for name in ("ordinal", "at_unix_nano", "act", "actor", *TEXTS, "pid")), strict=True)
    return tuple(
        AuditEvent(ordinal, at, Act(act), Actor(actor), who, pid, exe, detail)
        for ordinal, at, act, actor, who, exe, detail, pid in rows
    )
