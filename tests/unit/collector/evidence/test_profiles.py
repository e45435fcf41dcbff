"""Goroutine profiles that real programs wrote are read; whatever else is pushed is refused with its place."""

import gzip
import zlib
from collections import Counter, deque
from contextlib import suppress

import pytest
from gosonde_collector.evidence.model import Frame, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.records import MAX_RECORD_BYTES
from gosonde_collector.evidence.upload import ProfileUpload
from gosonde_collector.model.errors import ProfileError
from hypothesis import given
from hypothesis import strategies as st

from tests.paths import FIXTURES

RECORDED = FIXTURES / "pprof"
VERSIONS = ("1.21", "1.24", "1.27")
FORMATS = {"proto.gz": "proto", "debug1.txt": "debug=1", "debug2.txt": "debug=2"}
GOROUTINES = 22


def recorded(version: str, kind: str) -> bytes:
    """The file as it was written."""
    return (RECORDED / f"go{version}.{kind}").read_bytes()


def read(data: bytes, piece: int = 1 << 20, max_bytes: int = 1 << 26) -> GoroutineProfile:
    """As the collector reads an upload."""
    upload = ProfileUpload(max_bytes)
    for start in range(0, len(data), piece):
        upload.feed(data[start : start + piece])
    profile = parse_profile(upload.finish())
    assert isinstance(profile, GoroutineProfile)
    return profile


def outermost(profile: GoroutineProfile) -> Counter[str]:
    """Goroutines by the function that they run first, type arguments left out."""
    counts: Counter[str] = Counter()
    for group in profile.groups:
        counts[group.frames[-1].function.partition("[")[0]] += group.count
    return counts


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_of_every_version_shows_the_same_goroutines(version: str, kind: str) -> None:
    profile = read(recorded(version, kind))
    assert profile.format == FORMATS[kind]
    assert profile.goroutines == GOROUTINES
    counts = outermost(profile)
    assert counts["main.plain"] == 6
    assert counts["main.withArgument"] == 4
    assert counts["main.(*worker).pointer"] == 2
    assert counts["main.generic"] == 2
    assert counts["sync.(*WaitGroup).Wait"] == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", FORMATS)
def test_the_compilers_wrapper_is_in_no_stack(version: str, kind: str) -> None:
    functions = {frame.function for group in read(recorded(version, kind)).groups for frame in group.frames}
    written = {"main.main.func1", "main.closures.func1", "main.closures.func2", "main.closures.func3"}
    assert {name for name in functions if "gowrap" in name or "-fm" in name} == set()
    assert {name for name in functions if ".func" in name} <= written


@pytest.mark.parametrize("version", VERSIONS)
def test_debug_2_names_the_go_statement_and_the_state(version: str) -> None:
    profile = read(recorded(version, "debug2.txt"))
    created = Counter({group.created_by: group.count for group in profile.groups if group.created_by})
    assert created[Frame("main.twoSites", "snapshot/main.go", 31)] == 3
    assert created[Frame("main.twoSites", "snapshot/main.go", 33)] == 1
    assert {group.state for group in profile.groups} >= {"running", "chan receive"}


@pytest.mark.parametrize("version", VERSIONS)
def test_only_the_proto_says_when_it_was_taken(version: str) -> None:
    assert read(recorded(version, "proto.gz")).taken_unix_nano > 1_600_000_000 * 10**9
    assert read(recorded(version, "debug1.txt")).taken_unix_nano == 0


@pytest.mark.parametrize(
    ("header", "state", "minutes"),
    [
        ("goroutine 12 [chan receive, 3 minutes, locked to thread]:", "chan receive", 3),
        ("goroutine 5 gp=0xc000002380 m=0 mp=0x56f920 [running]:", "running", 0),
        ("goroutine 7 gp=0xc0000024c0 m=nil [select (no cases), 120 minutes]:", "select (no cases)", 120),
        ('goroutine 35 [chan receive] {tenant: "a b"}:', "chan receive", 0),
        ("goroutine 9 [sleep, synctest bubble 1]:", "sleep", 0),
    ],
)
@pytest.mark.parametrize("creator", ["created by main.f", "created by main.f in goroutine 1"])
def test_headers_of_all_kinds_are_understood(header: str, state: str, minutes: int, creator: str) -> None:
    text = f"{header}\nmain.(*T).m(0xc000010000, {{0x1, 0x2}})\n\t/src/a b.go:7 +0x1c\n{creator}\n\t/src/c.go:9 +0x26\n"
    (group,) = read(text.encode()).groups
    assert (group.state, group.wait_s) == (state, 60 * minutes)
    assert group.goids == (int(header.split()[1]),)
    assert group.frames == (Frame("main.(*T).m", "/src/a b.go", 7),)
    assert group.created_by == Frame("main.f", "/src/c.go", 9)


def test_stacks_that_are_shortened_or_running_elsewhere_are_understood() -> None:
    text = (
        "goroutine 1 [running]:\n\tgoroutine running on other thread; stack unavailable\ncreated by main.f\n\ta.go:1\n"
        "\ngoroutine 2 [select]:\nmain.g(...)\n\ta.go:2\n...additional frames elided...\ncreated by main.f\n\ta.go:1\n"
    )
    assert read(text.encode()).goroutines == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<html>404</html>", "begins with b'<html>404<'"),
        (b"\x7fELF" + bytes(100), "not a profile"),
        (b"goroutine profile: total 3\n1 @ 0x1\n#\t0x1\tmain.f+0x1\ta.go:1\n\n", "claims 3 goroutines and shows 1"),
        (b"goroutine profile: total 1\n1 @ 0x1\nnonsense\n\n", "line 3"),
        (b"goroutine 1 [running]:\nmain.f()\n", "line 2"),
        (b"goroutine 1 [running]:\n", "cut off"),
        (b"goroutine 1 [running]:\nmain.f()\n\ta.go:1 +0x1", "line 3 of the goroutine profile is cut off"),
        (b"goroutine 1 [running]:\nmain.\xff()\n\ta.go:1\n", "not UTF-8"),
        (b"\x0a\x04\x08\x01\x10\x02" + b"\x12\xff\xff\x03", "the field at byte 6 needs"),
        (b"\x32\x00\x0a\x02\x08\x00", "its samples are"),
        (b"\x32" + b"\x81\x80\x04" + bytes(MAX_RECORD_BYTES + 1), "larger than"),
    ],
)
def test_damage_is_refused_with_what_and_where(data: bytes, words: str) -> None:
    with pytest.raises(ProfileError) as refusal:
        read(data)
    assert words in str(refusal.value)


def test_another_kind_of_profile_is_refused_by_its_name() -> None:
    strings = b"".join(b"\x32" + bytes([len(s)]) + s for s in (b"", b"inuse_space", b"bytes"))
    with pytest.raises(ProfileError, match="inuse_space"):
        read(gzip.compress(b"\x0a\x04\x08\x01\x10\x02" + strings))


def test_a_gzip_bomb_is_refused_while_it_comes_in() -> None:
    bomb = gzip.compress(b"goroutine " + bytes(64 << 20))
    upload = ProfileUpload(max_bytes=1 << 20)
    pieces = iter([bomb[start : start + 1_000] for start in range(0, len(bomb), 1_000)])
    with pytest.raises(ProfileError, match="inflates to more than 1048576 bytes"):
        deque(map(upload.feed, pieces), maxlen=0)
    assert len(list(pieces)) > len(bomb) // 1_000 // 2


def test_a_file_that_is_too_large_is_refused_while_it_comes_in() -> None:
    upload = ProfileUpload(max_bytes=1_000)
    upload.feed(b"goroutine " + bytes(900))
    with pytest.raises(ProfileError, match="larger than 1000 bytes"):
        upload.feed(bytes(91))


def test_data_behind_the_gzip_stream_is_refused() -> None:
    with pytest.raises(ProfileError, match="after the end"):
        read(recorded("1.24", "proto.gz") + b"x")


@pytest.mark.parametrize("kind", FORMATS)
def test_the_size_of_the_pieces_makes_no_difference(kind: str) -> None:
    data = recorded("1.27", kind)
    assert read(data, piece=1) == read(data)


def test_no_truncation_of_a_profile_proto_is_accepted() -> None:
    data = recorded("1.24", "proto.gz")
    for length in range(len(data)):
        with pytest.raises(ProfileError):
            read(data[:length])


def test_a_debug_1_profile_may_lack_its_last_line_end_and_nothing_else() -> None:
    data = recorded("1.24", "debug1.txt")
    last_line = data.rstrip().rindex(b":") + 1
    for length in range(last_line + 1):
        with pytest.raises(ProfileError):
            read(data[:length])
    for length in range(last_line + 1, len(data.rstrip()) + 1):
        assert "digits may be missing" in read(data[:length]).reading.partial
    for length in range(len(data.rstrip()) + 1, len(data) + 1):
        assert read(data[:length]).groups == read(data).groups


@given(st.sampled_from(VERSIONS), st.sampled_from([*FORMATS, "proto"]), st.data())
def test_mutations_are_read_or_refused_but_never_crash(version: str, kind: str, choice: st.DataObject) -> None:
    data = bytearray(recorded(version, kind) if kind != "proto" else zlib.decompress(recorded(version, "proto.gz"), 31))
    for _ in range(choice.draw(st.integers(1, 8))):
        place = choice.draw(st.integers(0, len(data) - 1))
        removed = choice.draw(st.integers(0, 40))
        data[place : place + removed] = choice.draw(st.binary(max_size=40))
    with suppress(ProfileError):
        assert read(bytes(data)).goroutines > 0


@given(st.binary(max_size=2_000), st.sampled_from([b"", b"goroutine ", b"goroutine profile: total 1\n", b"\x0a"]))
def test_noise_is_refused(noise: bytes, start: bytes) -> None:
    with pytest.raises(ProfileError):
        read(start + noise)
