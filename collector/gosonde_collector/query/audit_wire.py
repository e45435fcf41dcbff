"""Audit events into messages."""

from gosonde_pb.v1 import collector_pb2

from gosonde_collector.model import ages
from gosonde_collector.store.records import AuditRecord


def audit_row(record: AuditRecord, now_unix_nano: int, clock_offset_ns: int) -> collector_pb2.AuditEventRow:
    """A row of ListAuditEvents; `clock_offset_ns` is that of who noted it."""
    event = record.event
    return collector_pb2.AuditEventRow(
        host=record.host,
        run=record.run,
        ordinal=event.ordinal,
        at_unix_nano=event.at_unix_nano,
        stored_unix_nano=record.stored_unix_nano,
        age_ns=ages.since(event.at_unix_nano, record.stored_unix_nano, now_unix_nano, clock_offset_ns),
        clock_offset_ns=clock_offset_ns,
        act=event.act,
        actor=event.actor,
        who=event.who,
        pid=event.pid,
        exe=event.exe,
        detail=event.detail,
    )
