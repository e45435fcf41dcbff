"""Who has changed what is probed, pulled or reloaded, as a collector keeps it."""

from dataclasses import dataclass

from gosonde_pb.v1 import collector_pb2

from gosonde.rows import ProcessName


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An act; docs/audit.md says what each is. `process` has pid 0 where it was done to no process, or to all, and
    `host` is "" of what was done to the collector itself.

    (host, run, ordinal) identifies it.
    """

    host: str
    run: str
    ordinal: int
    at_unix_nano: int
    stored_unix_nano: int
    age_ns: int
    clock_offset_ns: int
    act: str
    actor: str
    who: str
    process: ProcessName
    detail: str


def audit_of(row: collector_pb2.AuditEventRow) -> AuditRow:
    """The message as a plain value."""
    return AuditRow(
        *(row.host, row.run, row.ordinal, row.at_unix_nano, row.stored_unix_nano, row.age_ns, row.clock_offset_ns),
        *(row.act, row.actor, row.who),
        ProcessName(row.pid, row.exe),
        row.detail,
    )
