"""What gosonde reads from memory and writes as a profile comes back with everything that pprof's own lacks."""

import gzip
from dataclasses import replace

from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.wire_stacks import decode
from gosonde_common.values.goroutines import Goroutine, Location
from gosonde_common.wire.profile import encode_profile

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
        stack_bytes=2_048 * min(goid, 9),
    )


def test_statement_state_age_stack_and_what_is_waited_for_come_back() -> None:
    goroutines = [goroutine(n, "chan receive", waits_for="context") for n in (2, 3)] + [goroutine(4, "", active=True)]
    profile = parse_profile(gzip.decompress(encode_profile(goroutines, 7)))
    assert isinstance(profile, GoroutineProfile)
    by = Frame(BY.function, BY.file, BY.line)
    stack = tuple(Frame(place.function, place.file, place.line) for place in STACK)
    assert (profile.format, profile.taken_unix_nano) == ("memory", 7)
    assert profile.groups == (
        GoroutineGroup(2, stack, by, "chan receive, for a context", 130, (2, 3), 5 * 2_048),
        GoroutineGroup(1, (), by, "running", 0, (4,), 4 * 2_048),
    )


def test_goroutines_whose_stacks_are_equal_and_other_objects_are_one_group() -> None:
    goroutines = [replace(goroutine(n, "select"), stack=STACK[:1] + STACK[1:]) for n in (2, 3)]
    profile = parse_profile(gzip.decompress(encode_profile(goroutines, 7)))
    assert isinstance(profile, GoroutineProfile)
    assert [group.goids for group in profile.groups] == [(2, 3)]


def test_who_is_there_comes_back_of_many_goroutines_too() -> None:
    goroutines = [goroutine(10**15 + n, "select") for n in range(50_000)]
    profile = parse_profile(gzip.decompress(encode_profile(goroutines, 7)))
    assert isinstance(profile, GoroutineProfile)
    assert profile.goroutines == 50_000
    assert sorted(goid for group in profile.groups for goid in group.goids) == [g.goid for g in goroutines]


def test_a_list_of_goids_that_is_not_one_is_passed_over() -> None:
    data = gzip.decompress(encode_profile([goroutine(n, "select") for n in (11, 12)], 7))
    for wrong in (b"11 1x", b"11111", b"11  2"):
        profile = parse_profile(data.replace(b"11 12", wrong))
        assert isinstance(profile, GoroutineProfile)
        assert profile.groups[0].goids == ()


def test_the_program_s_labels_are_in_it_where_they_are_asked_for_and_never_hide_gosonde_s() -> None:
    labels = (("endpoint", "/export"), ("state", "paid"))
    goroutines = [replace(goroutine(2, "select"), labels=labels), goroutine(3, "select")]
    said = decode(gzip.decompress(encode_profile(goroutines, 7, with_labels=True))).samples
    assert [sample.texts.get("endpoint") for sample in said] == ["/export", None]
    assert (said[0].texts["state"], said[0].texts["program.state"]) == (goroutines[0].status, "paid")
    (silent,) = decode(gzip.decompress(encode_profile(goroutines, 7))).samples
    assert silent.texts.keys().isdisjoint({"endpoint", "program.state"})


def test_a_profile_with_labels_is_the_same_evidence_as_one_without() -> None:
    goroutines = [replace(goroutine(n, "select"), labels=(("request_id", f"r-{n}"),)) for n in range(2, 9)]
    profile = parse_profile(gzip.decompress(encode_profile(goroutines, 7, with_labels=True)))
    assert isinstance(profile, GoroutineProfile)
    assert {(group.state, group.frames) for group in profile.groups} == {
        ("select", tuple(Frame(place.function, place.file, place.line) for place in STACK))
    }
    assert sorted(goid for group in profile.groups for goid in group.goids) == list(range(2, 9))
