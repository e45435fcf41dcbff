"""To which hosts a process has HTTP connections, where a finding is of those: as a snapshot from memory has them."""

from dataclasses import asdict
from typing import Final

from gosonde_common.values.http import HostSeen

from gosonde_collector.analysis.cause_names import HTTP2_CONN, HTTP_BODY, HTTP_IDLE
from gosonde_collector.store.records import Snapshot

#: Hosts that are reported for one finding.
MOST: Final = 5
CAUSES: Final = frozenset({HTTP_BODY, HTTP_IDLE, HTTP2_CONN})


def hosts_of(snapshot: Snapshot | None, cause: str) -> tuple[HostSeen, ...] | None:
    """The hosts with the most of what the cause is about; None where that is no connections, or nothing is known."""
    hosts = snapshot.profile.hosts if snapshot is not None and cause in CAUSES else ()
    if snapshot is None or not hosts:
        return None
    ranked = sorted(hosts, key=lambda one: (-(one.idle if cause == HTTP_IDLE else one.bodies), -one.connections))
    return tuple(HostSeen(**asdict(one), taken_unix_nano=snapshot.taken_unix_nano) for one in ranked[:MOST])
