"""Execution traces that real programs write of themselves say how often they waited, how long, where and why."""

import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from gosonde_collector.evidence.context import ContentionProfile, ContentionSample
from gosonde_collector.evidence.model import TRACE
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.trace_generations import MOST_BYTES, generations
from gosonde_collector.evidence.upload import ProfileUpload
from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.store.duckdb import DuckDBStore

from tests import toolchains
from tests.go_programs import build
from tests.unit.collector.batches import KEY, START

#: Those whose traces have format v2.
VERSIONS = [version for version in toolchains.VERSIONS if version >= "1.22"]
#: As the program `traced` has it.
WAITS = 40
MS = 1_000_000
HEADER = 16


def written(version: str, folder: Path) -> bytes:
    path = folder / f"{version}.trace"
    if not path.exists():
        program = str(build("traced", version))
        subprocess.run([program, str(path)], check=True, stdout=subprocess.DEVNULL, timeout=120)
    return path.read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def newest(folder: Path) -> bytes:
    return written(VERSIONS[-1], folder)


def read(data: bytes) -> ContentionProfile:
    """As the collector reads an upload."""
    upload = ProfileUpload()
    upload.feed(data)
    profile = parse_profile(upload.finish())
    assert isinstance(profile, ContentionProfile)
    return profile


def of_function(profile: ContentionProfile, function: str, reason: str) -> list[ContentionSample]:
    return [
        sample
        for sample in profile.samples
        if sample.reason == reason and any(frame.function == function for frame in sample.frames)
    ]


def waits(profile: ContentionProfile, function: str, *reasons: str) -> int:
    return sum(one.contentions for reason in reasons for one in of_function(profile, function, reason))


@pytest.mark.parametrize("version", VERSIONS)
def test_waits_are_those_that_the_program_has_had(version: str, folder: Path) -> None:
    profile = read(written(version, folder))
    assert (profile.kind, profile.format) == (TRACE, "trace v2")
    assert waits(profile, "main.nap", "sleep") == WAITS
    (nap,) = of_function(profile, "main.nap", "sleep")
    assert nap.delay_ns >= WAITS * 5 * MS
    # Who comes first to an unbuffered channel waits: two for each round.
    both = sum(waits(profile, name, "chan send", "chan receive") for name in ("main.rally", "main.serve"))
    assert both == 2 * WAITS
    (contend,) = of_function(profile, "main.contend", "sync")
    assert contend.contentions == 1
    assert 0 < contend.delay_ns < 60_000 * MS
    assert [frame.function for frame in contend.frames][:3] == ["[sync]", "sync.(*Mutex).Lock", "main.contend"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wait_over_several_generations_is_one(version: str, folder: Path) -> None:
    data = written(version, folder)
    assert len(list(generations(data))) > 1
    (linger,) = of_function(read(data), "main.linger", "sleep")
    assert linger.contentions == 1
    assert linger.delay_ns >= 1_500 * MS


def test_a_trace_that_is_cut_off_is_refused_wherever_that_is(newest: bytes) -> None:
    for size in range(HEADER, len(newest) - 1, 7):
        with pytest.raises(ProfileError) as caught:
            read(newest[:size])
        assert caught.value.reason in {Refusal.TRUNCATED, Refusal.EMPTY}, size


def test_before_go_1_26_only_a_cut_between_two_generations_is_not_seen(folder: Path) -> None:
    data = written(VERSIONS[0], folder)
    found = {size: waited_or_refused(data[:size]) for size in range(HEADER, len(data) - 1)}
    assert {one for one in found.values() if isinstance(one, Refusal)} <= {Refusal.TRUNCATED, Refusal.EMPTY}
    read_anyway = [waited for waited in found.values() if isinstance(waited, int)]
    assert len(read_anyway) == len(list(generations(data))) - 1
    whole = waited_or_refused(data)
    assert isinstance(whole, int)
    assert all(0 < waited < whole for waited in read_anyway)


def waited_or_refused(data: bytes) -> int | Refusal:
    """How many waits it shows, or why it is refused."""
    try:
        return sum(sample.contentions for sample in read(data).samples)
    except ProfileError as error:
        return error.reason


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_a_damaged_trace_is_read_or_refused(version: str, folder: Path) -> None:
    data, chance = written(version, folder), random.Random(1)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 30))):
            damaged[chance.randrange(HEADER, len(data))] = chance.randrange(256)
        try:
            assert all(one.delay_ns >= 0 < one.contentions for one in read(bytes(damaged)).samples)
        except ProfileError:
            refused += 1
    assert refused > 100


def number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def batch(*body: bytes, generation: int = 1) -> bytes:
    data = b"".join(body)
    return b"\x01" + number(generation) + number(3) + number(1) + number(len(data)) + data


CLOCK = batch(b"\x32\x08" + number(1_000_000_000))
STRINGS = batch(b"\x04\x05\x01\x04wait")
#: Goroutine 7 runs on this thread, and blocks; it is unblocked after 2**63 ticks.
RUNS, BLOCKS = b"\x19\x01\x07\x03\x02", b"\x14\x01\x01\x00"
LONG_AFTER = b"\x15" + number(1 << 63) + b"\x07\x01\x00"


MALFORMED, TRUNCATED = Refusal.MALFORMED, Refusal.TRUNCATED
#: What is refused, by what is said of it.
REFUSED = {
    "Go 1.21: only the format of Go 1.22": (b"go 1.21 trace\0\0\0", Refusal.UNKNOWN_KIND),
    "Go 1.99: only the format of Go 1.22": (b"go 1.99 trace\0\0\0", Refusal.UNKNOWN_KIND),
    "cut off": (batch(BLOCKS), TRUNCATED),
    "has no clock": (batch(RUNS) + b"\x34", TRUNCATED),
    "no wait that has ended": (CLOCK + STRINGS + b"\x34", Refusal.EMPTY),
    "nobody runs who blocks": (CLOCK + STRINGS + batch(BLOCKS) + b"\x34", MALFORMED),
    "lacks string 1": (CLOCK + batch(RUNS, BLOCKS) + b"\x34", MALFORMED),
    "lacks stack 9": (CLOCK + STRINGS + batch(RUNS, b"\x14\x01\x01\x09") + b"\x34", MALFORMED),
    "unknown event 127": (CLOCK + batch(b"\x7f") + b"\x34", MALFORMED),
    "number at byte .* too long": (CLOCK + batch(b"\x0b" + b"\xff" * 11) + b"\x34", MALFORMED),
    "mixed": (CLOCK + batch(b"", generation=2), MALFORMED),
    "no batch at byte 16": (b"\x07" * 20, MALFORMED),
    "131072 bytes": (b"\x01\x01\x01\x01" + number(1 << 17), MALFORMED),
    "a string": (batch(b"\x04\x05\x01" + number(1 << 11)), MALFORMED),
    "a stack": (batch(b"\x02\x03\x01" + number(129)), MALFORMED),
    "its clock is damaged": (CLOCK + STRINGS + batch(RUNS, BLOCKS) + batch(LONG_AFTER) + b"\x34", MALFORMED),
    "larger than": (b"\0" * MOST_BYTES, Refusal.TOO_LARGE),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_is_refused_with_what_is_wrong(why: str) -> None:
    body, reason = REFUSED[why]
    data = body if body.startswith(b"go ") else b"go 1.26 trace\0\0\0" + body
    with pytest.raises(ProfileError, match=why) as caught:
        read(data)
    assert caught.value.reason == reason


def test_stacks_that_would_take_much_more_room_than_the_file_are_refused() -> None:
    stack = b"\x03\x01" + number(128) + b"\0\0\0\0" * 128
    stacks = batch(b"\x02" + stack * 120) * 40
    with pytest.raises(ProfileError, match="strings and frames") as caught:
        read(b"go 1.26 trace\0\0\0" + stacks)
    assert caught.value.reason == Refusal.TOO_LARGE


def test_waits_are_stored_and_returned_with_their_reasons(newest: bytes, store: DuckDBStore) -> None:
    profile = read(newest)
    store.add_snapshot("web-1", KEY, START, profile)
    assert store.newest_contention("web-1", KEY, TRACE) == replace(profile, taken_unix_nano=START)


def test_the_time_is_the_one_inside_where_there_is_one(folder: Path) -> None:
    assert read(written("1.24.11", folder)).taken_unix_nano == 0
    path = folder / f"{VERSIONS[-1]}.trace"
    taken = read(written(VERSIONS[-1], folder)).taken_unix_nano
    assert 0 < path.stat().st_mtime_ns - taken < 600_000 * MS
