"""What gosonde reads from memory and writes as a profile comes back with everything that pprof's own lacks."""

import gzip

from gosonde_agent.golang.pclntab import Location
from gosonde_agent.sources.memory.dump import Goroutine
from gosonde_agent.wire_profile import encode_profile
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile

BY = Location("main.serve", "/srv/my app/main.go", 42)
STACK = (Location("runtime.gopark", "proc.go", 1), Location("main.wait[...]", "main.go", 50))


def goroutine(goid: int, wait_reason: str, *, waits_for: str = "", active: bool = False) -> Goroutine:
    return Goroutine(
        goid=goid,
        status="running" if active else "waiting",
        wait_reason=wait_reason,
        wait_ns=None if active else 130 * 10**9,
        created_by=BY,
        start_function="main.serve.func1",
        parent_goid=1,
        thread_id=0,
        locked=False,
        system=False,
        active=active,
        complete=not active,
        stack=() if active else STACK,
        waits_for=waits_for,
    )


def test_statement_state_age_stack_and_what_is_waited_for_come_back() -> None:
    goroutines = [goroutine(n, "chan receive", waits_for="context") for n in (2, 3)] + [goroutine(4, "", active=True)]
    profile = parse_profile(gzip.decompress(encode_profile(goroutines, 7)))
    assert isinstance(profile, GoroutineProfile)
    by = Frame(BY.function, BY.file, BY.line)
    stack = tuple(Frame(place.function, place.file, place.line) for place in STACK)
    assert (profile.format, profile.taken_unix_nano) == ("memory", 7)
    assert profile.groups == (
        GoroutineGroup(2, stack, by, "chan receive, for a context", 2),
        GoroutineGroup(1, (), by, "running", 0),
    )
