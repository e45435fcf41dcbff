"""What is written of a stored snapshot is read again as it was."""

import gzip

import pytest
from gosonde_collector.evidence.model import DURABLE, FOR_A, MEMORY, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.writing import as_pprof
from gosonde_common.wire.profile import MOST_TOGETHER

STACK = (Frame("runtime.gopark", "/go/proc.go", 1), Frame("main.serve.func1", "/srv/main.go", 50))
HERE = Frame("main.serve", "/srv/a folder/main.go", 42)
TAKEN = 1_700_000_000_000_000_000


def read(data: bytes) -> GoroutineProfile:
    profile = parse_profile(gzip.decompress(data))
    assert isinstance(profile, GoroutineProfile)
    return profile


@pytest.mark.parametrize(
    "state", ["chan send", "select", "running", "syscall", f"chan receive{FOR_A}timer", f"select{DURABLE}", ""]
)
def test_goroutines_of_memory_are_read_again_as_they_were(state: str) -> None:
    groups = (
        GoroutineGroup(3, STACK, HERE, state, 70, (5, 9, 12), 6_144),
        GoroutineGroup(1, STACK[1:], None, "IO wait", 0, (1,), 2_048),
    )
    profile = read(as_pprof(groups, MEMORY, TAKEN))
    assert (profile.format, profile.taken_unix_nano) == (MEMORY, TAKEN)
    assert profile.groups == groups


def test_many_alike_are_some_samples_with_the_same_sum() -> None:
    many = 2 * MOST_TOGETHER + 1
    group = GoroutineGroup(many, STACK, HERE, "chan send", 7, tuple(range(many)), 2_048 * many)
    profile = read(as_pprof([group], MEMORY, TAKEN))
    assert [one.count for one in profile.groups] == [MOST_TOGETHER, MOST_TOGETHER, 1]
    assert [goid for one in profile.groups for goid in one.goids] == list(range(many))
    assert sum(one.stack_bytes for one in profile.groups) == 2_048 * many


def test_goroutines_that_were_pushed_are_not_said_to_be_from_memory() -> None:
    profile = read(as_pprof([GoroutineGroup(400, STACK)], "debug=1", TAKEN))
    assert (profile.format, profile.goroutines) == ("proto", 400)


def test_text_of_strangers_breaks_nothing() -> None:
    strange = Frame('<script>\x1b[31m\u202e"\ud800', "/srv/\n.go", 2**31)
    profile = read(as_pprof([GoroutineGroup(1, (strange,), HERE, "a state\x00", 1, (7,), 1)], MEMORY, TAKEN))
    assert profile.groups[0].frames[0].function == '<script>\x1b[31m\u202e"?'
    assert profile.groups[0].state == "a state\x00"
