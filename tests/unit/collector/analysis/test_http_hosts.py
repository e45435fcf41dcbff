"""A finding of HTTP connections says to which hosts they are, and others do not."""

from gosonde_collector.analysis.http_hosts import MOST, hosts_of
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.store.records import Snapshot
from gosonde_common.values.http import HostConnections, HostSeen

BODIES, IDLE = HostConnections("https://a:1", 40, 37, 0, 3, 30), HostConnections("https://b:1", 90, 0, 0, 90, 0)


def snapshot(*hosts: HostConnections) -> Snapshot:
    return Snapshot("s", 77, GoroutineProfile("memory", (), 77, hosts=hosts))


def test_the_hosts_with_the_most_of_what_the_cause_is_about_come_first() -> None:
    found = snapshot(BODIES, IDLE)
    assert hosts_of(found, "http-body") == (
        HostSeen("https://a:1", 40, 37, 0, 3, 30, 77),
        HostSeen("https://b:1", 90, 0, 0, 90, 0, 77),
    )
    assert [one.host for one in hosts_of(found, "http-idle") or ()] == ["https://b:1", "https://a:1"]
    assert [one.said for one in hosts_of(found, "http-body") or ()] == [BODIES.said, IDLE.said]


def test_nothing_is_said_of_other_causes_and_of_snapshots_without_hosts() -> None:
    assert hosts_of(snapshot(BODIES), "channel-send") is None
    assert hosts_of(snapshot(), "http-body") is None
    assert hosts_of(None, "http-body") is None


def test_no_more_hosts_are_told_than_people_read() -> None:
    many = hosts_of(snapshot(*(HostConnections(f"https://h{n}:1", n, n, 0, 0, 0) for n in range(20))), "http-body")
    assert many is not None
    assert (len(many), many[0].host) == (MOST, "https://h19:1")
