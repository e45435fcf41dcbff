"""To which hosts a process has HTTP connections, where a finding is of those: as a snapshot from memory has them."""

from dataclasses import asdict, dataclass
from typing import Final

from gosonde_common.values.http import HostConnections

from gosonde_collector.analysis.cause_names import HTTP2_CONN, HTTP_BODY, HTTP_IDLE
from gosonde_collector.store.records import Snapshot

#: Hosts that are reported for one finding.
MOST: Final = 5
CAUSES: Final = frozenset({HTTP_BODY, HTTP_IDLE, HTTP2_CONN})


@dataclass(frozen=True, slots=True)
class HostSeen:
    """Connections to one host, as HostConnections has them, in a snapshot that was taken then."""

    host: str
    connections: int
    bodies: int
    waiting: int
    idle: int
    on_no_stack: int
    taken_unix_nano: int

    @property
    def said(self) -> str:
        """The same in words, foreign text as it was."""
        numbers = self.connections, self.bodies, self.waiting, self.idle, self.on_no_stack
        return HostConnections(self.host, *numbers).said


def hosts_of(snapshot: Snapshot | None, cause: str) -> tuple[HostSeen, ...] | None:
    """The hosts with the most of what the cause is about; None where that is no connections, or nothing is known."""
    hosts = snapshot.profile.hosts if snapshot is not None and cause in CAUSES else ()
    if snapshot is None or not hosts:
        return None
    ranked = sorted(hosts, key=lambda one: (-(one.idle if cause == HTTP_IDLE else one.bodies), -one.connections))
    return tuple(HostSeen(**asdict(one), taken_unix_nano=snapshot.taken_unix_nano) for one in ranked[:MOST])
