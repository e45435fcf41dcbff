"""Profiles that real programs write of themselves are distinguished by what is in them, stored, and returned."""

from dataclasses import replace
from pathlib import Path

import pytest
from gosonde_collector.evidence.context import ContentionProfile, HeapProfile
from gosonde_collector.evidence.identity import check_program
from gosonde_collector.evidence.model import (
    BLOCK,
    LEAK,
    LEAKED,
    MUTEX,
    GoroutineProfile,
)
from gosonde_collector.evidence.parse import Profile, parse_profile
from gosonde_collector.evidence.upload import ProfileUpload
from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.model.values import Site
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_pb.pprof.v1 import profile_pb2

from tests.go_programs import GoProgram, build, site_line
from tests.unit.collector.batches import KEY, START
from tests.versions import VERSIONS

HOST = "web-1"


@pytest.fixture(scope="module", params=VERSIONS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the program `profiled` wrote its profiles."""
    return write(request.param, tmp_path_factory.mktemp("profiles"))


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the newest version, which has goroutineleak profiles."""
    return write(VERSIONS[-1], tmp_path_factory.mktemp("profiles"))


def write(version: str, folder: Path) -> Path:
    with GoProgram(build("profiled", version)) as program:
        program.ask(f"write {folder}")
    return folder


def read(folder: Path, name: str) -> Profile:
    """As the collector reads an upload; the name of the file says nothing to it."""
    upload = ProfileUpload()
    upload.feed((folder / name).read_bytes())
    return parse_profile(upload.finish())


@pytest.mark.parametrize("name", ["heap.0", "allocs.0"])
def test_a_heap_profile_says_what_is_held_and_what_was_allocated(written: Path, name: str) -> None:
    heap = read(written, name)
    assert isinstance(heap, HeapProfile)
    held = [sample for sample in heap.samples if any(frame.function == "main.hold" for frame in sample.frames)]
    dropped = [sample for sample in heap.samples if any(frame.function == "main.drop" for frame in sample.frames)]
    mib = 1 << 20
    assert sum(sample.inuse_bytes for sample in held) == pytest.approx(64 * mib, rel=0.05)
    assert sum(sample.alloc_objects for sample in held if sample.inuse_bytes > mib) == pytest.approx(64, abs=3)
    assert sum(sample.alloc_bytes for sample in dropped) == pytest.approx(64 * mib, rel=0.05)
    assert sum(sample.inuse_bytes for sample in dropped) < mib


def test_block_and_mutex_profiles_are_told_apart_though_their_types_are_the_same(written: Path) -> None:
    block, mutex = read(written, "block.0"), read(written, "mutex.0")
    assert isinstance(block, ContentionProfile)
    assert isinstance(mutex, ContentionProfile)
    assert (block.kind, mutex.kind) == (BLOCK, MUTEX)
    waited = {frame.function for sample in block.samples for frame in sample.frames if sample.delay_ns > 10_000_000}
    assert {"main.block", "main.contend"} <= waited
    assert any("Unlock" in sample.frames[0].function and sample.contentions for sample in mutex.samples)


@pytest.mark.parametrize("name", ["goroutineleak.0", "goroutineleak.1"])
def test_a_goroutineleak_profile_names_the_leaked_goroutines_alone(newest: Path, name: str) -> None:
    profile = read(newest, name)
    assert isinstance(profile, GoroutineProfile)
    assert profile.kind == LEAK
    assert profile.goroutines == 20
    assert {group.frames[-1].function for group in profile.groups} == {"main.waitForever"}


def test_a_leak_profile_with_debug_2_is_a_goroutine_profile_that_marks_them(newest: Path) -> None:
    profile = read(newest, "goroutineleak.2")
    assert isinstance(profile, GoroutineProfile)
    assert profile.kind == "goroutine"
    leaked = [group for group in profile.groups if group.state.endswith(LEAKED)]
    assert [(group.count, group.created_by and group.created_by.line) for group in leaked] == [
        (20, site_line("profiled", "leak"))
    ]


def test_a_leak_profile_without_leaks_is_taken() -> None:
    profile = parse_profile(b"goroutineleak profile: total 0\n")
    assert (profile.kind, profile.stacks) == (LEAK, frozenset())


def field(number: int, body: bytes) -> bytes:
    return bytes([number << 3 | 2, len(body)]) + body


def proto(*types: str) -> bytes:
    """A profile.proto without samples."""
    kinds = b"".join(field(1, bytes([8, place])) for place in range(1, len(types) + 1))
    return kinds + field(6, b"") + b"".join(field(6, name.encode()) for name in types)


@pytest.mark.parametrize(
    ("types", "words", "reason"),
    [
        (("contentions", "delay"), "SetBlockProfileRate", Refusal.EMPTY),
        (("alloc_objects", "alloc_space", "inuse_objects", "inuse_space"), "MemProfileRate", Refusal.EMPTY),
        (("goroutine",), "no goroutine", Refusal.EMPTY),
        (("samples", "cpu"), "samples, cpu", Refusal.UNKNOWN_KIND),
    ],
)
def test_what_shows_nothing_or_something_else_is_refused_with_the_reason(
    types: tuple[str, ...], words: str, reason: Refusal
) -> None:
    with pytest.raises(ProfileError, match=words) as refusal:
        parse_profile(proto(*types))
    assert refusal.value.reason == reason


def goroutines(frames: int, inlined: int, samples: int = 1) -> bytes:
    """A small profile.proto of stacks that have so many frames, each with so many inlined calls."""
    profile = profile_pb2.Profile(string_table=["", "goroutine", "main.f", "main.go"])
    profile.sample_type.add(type=1)
    profile.function.add(id=1, name=2, filename=3)
    place = profile.location.add(id=1)
    for _ in range(inlined):
        place.line.add(function_id=1, line=7)
    for _ in range(samples):
        profile.sample.add(location_id=[1] * frames, value=[1])
    return profile.SerializeToString()


def test_a_small_profile_that_unpacks_into_endless_stacks_is_refused() -> None:
    assert len(next(iter(parse_profile(goroutines(10, 10)).stacks))) == 100
    with pytest.raises(ProfileError, match="sample 0 of the profile has more than 10000 frames"):
        parse_profile(goroutines(1_000, 1_000))
    with pytest.raises(ProfileError, match="the first 1001 samples of the profile have more than 10000000 frames"):
        parse_profile(goroutines(100, 100, samples=1_100))


@pytest.mark.parametrize(("file", "fits"), [("server.go", True), ("other.go", False)])
def test_paths_that_the_agent_has_shortened_are_compared_by_their_last_element(file: str, fits: bool) -> None:
    site = Site("build", 1, "main.f", "main.go")
    profile = parse_profile(goroutines(1, 1))
    check_program(profile, [site])
    shortened = replace(site, file=file)
    long = profile_pb2.Profile.FromString(goroutines(1, 1))
    long.string_table[3] = "/srv/app/server.go"
    if fits:
        check_program(parse_profile(long.SerializeToString()), [shortened])
    else:
        with pytest.raises(ProfileError, match="of another program"):
            check_program(parse_profile(long.SerializeToString()), [shortened])


def test_the_store_gives_each_kind_back_and_the_newest_of_it(written: Path, store: DuckDBStore) -> None:
    heap, block, mutex = (read(written, f"{kind}.0") for kind in ("heap", "block", "mutex"))
    for profile in (heap, block, mutex):
        store.add_snapshot(HOST, KEY, START, profile)
    assert store.newest_heap(HOST, KEY) == replace(heap, taken_unix_nano=START)
    assert store.newest_contention(HOST, KEY, BLOCK) == replace(block, taken_unix_nano=START)
    assert store.newest_contention(HOST, KEY, MUTEX) == replace(mutex, taken_unix_nano=START)
    assert {head.kind for head in store.snapshot_heads(1)} == {"heap", BLOCK, MUTEX}
    assert isinstance(heap, HeapProfile)
    store.add_snapshot(HOST, KEY, START + 1, replace(heap, samples=heap.samples[:1]))
    newest = store.newest_heap(HOST, KEY)
    assert newest
    assert newest.samples == heap.samples[:1]
    store.expire(1 << 62)
    assert store.newest_heap(HOST, KEY) is None
