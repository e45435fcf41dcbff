"""Two readings of a leaking program's memory show the same goroutines, and what their stacks take."""

import gzip
import time

from gosonde_agent.sources.memory.target import opened
from gosonde_collector.analysis.persistence import persistence
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.model.values import Site
from gosonde_collector.store.records import Snapshot
from gosonde_common.wire.profile import encode_profile

from tests.go_programs import GoProgram, build, site_line

#: Goroutines that have leaked by the first reading.
LEAKED = 100
PATIENCE_S = 60.0


def read(pid: int) -> Snapshot:
    with opened(pid) as target:
        profile = parse_profile(gzip.decompress(encode_profile(target.goroutines(), time.time_ns())))
    assert isinstance(profile, GoroutineProfile)
    return Snapshot("id", profile.taken_unix_nano, profile)


def count(snapshot: Snapshot, line: int) -> int:
    return sum(g.count for g in snapshot.profile.groups if g.created_by and g.created_by.line == line)


def test_goroutines_that_leak_are_there_again_and_their_stacks_are_counted() -> None:
    name = "leaky/one_in_a_hundred"
    line = site_line(name, "request")
    with GoProgram(build(name), "100us") as program:
        earlier = later = read(program.pid)
        end = time.monotonic() + PATIENCE_S
        while count(later, line) < 2 * LEAKED:
            assert time.monotonic() < end
            time.sleep(0.1)
            later = read(program.pid)
            if count(earlier, line) < LEAKED:
                earlier = later
    (by,) = {g.created_by for g in later.profile.groups if g.created_by and g.created_by.line == line}
    kept = persistence("memory", Site("build", 1, by.function, by.file, by.line), earlier, later)
    assert kept
    assert kept.persisted >= kept.earlier - 5  # the last few may have been about to end
    assert kept.later > kept.earlier
    groups = [group for group in later.profile.groups if group.created_by == by]
    assert all(2_048 * group.count <= group.stack_bytes <= 65_536 * group.count for group in groups)
