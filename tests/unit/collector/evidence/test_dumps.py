"""Goroutine dumps are read as people have them: saved, pasted, logged, printed by a dying program, cut by Go."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_collector.evidence.model import CUT, Frame, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.upload import ProfileUpload
from gosonde_collector.model.errors import ProfileError

DUMPS = Path(__file__).parents[3] / "fixtures" / "dumps"
PLAIN = (DUMPS / "plain.txt").read_bytes()
PUMP = Frame("example.test/app/pump.New", "/srv/app/pump/pump.go", 40)
#: What loggers put before each line; {n} is its number.
PREFIXES = {
    "compose": "web-1  | ",
    "timestamps": "2026-11-28T10:00:{n:02}.12345678{n}Z ",
    "cri": "2026-11-28T10:00:{n:02}.1Z stderr F ",
    "syslog": "Nov 28 10:00:{n:02} host1 app: ",
    "journald": "Nov 28 10:00:{n:02} host1 app[4711]: ",
    "kubectl": "[pod/web-5d4f7/app] ",
    "log": "2026/11/28 10:00:{n:02} ",
    "colour": "\x1b[36mweb-1  | \x1b[0m",
    "quoted": "> ",
    "indented": "    ",
    "heroku": "2026-11-28T10:00:{n:02}.482910+00:00 app[web.1]: ",
    "bracketed": "[28/Nov/2026:10:00:{n:02} +0000] INFO ",
    "fly": "2026-11-28T10:00:{n:02}Z app[148ed193b12e98] fra [info] ",
    "github": "build\tRun tests\t2026-11-28T10:00:{n:02}.1234567Z ",
    "journald-precise": "Nov 28 10:00:{n:02}.123456 host1 app[4711]: ",
    "journald-iso": "2026-11-28T10:00:{n:02}.123456+0100 host1 app[4711]: ",
    "journald-monotonic": "[ 5{n:03}.123456] host1 app[4711]: ",
    "cri-partial": "2026-11-28T10:00:{n:02}.1+02:00 stdout P ",
    "rfc5424": "<11>1 2026-11-28T10:00:{n:02}.003Z host1 app 4711 - - ",
    "klog": "E1128 10:00:{n:02}.123456    4711 main.go:{n}] ",
    "zap": "2026-11-28T10:00:{n:02}.123+0100\tERROR\tapp/main.go:{n}\t",
    "grep": "app.log:{n}:",
    "numbered": "    {n}\t",
}


def read(data: bytes, *, partial: bool = False) -> GoroutineProfile:
    upload = ProfileUpload()
    upload.feed(data)
    profile = parse_profile(upload.finish(), partial=partial)
    assert isinstance(profile, GoroutineProfile)
    return profile


def prefixed(prefix: str, data: bytes = PLAIN) -> bytes:
    lines = data.decode().splitlines()
    return "".join(f"{prefix.format(n=n % 60)}{line}".rstrip() + "\n" for n, line in enumerate(lines)).encode()


def in_json(data: bytes) -> bytes:
    return b"".join(json.dumps({"log": f"{line}\n"}).encode() + b"\n" for line in data.decode().split("\n"))


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "UTF-16 with its mark": lambda data: data.decode().encode("utf-16"),
    "UTF-16 the other way": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "UTF-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
    "UTF-16 and CRLF": lambda data: data.replace(b"\n", b"\r\n").decode().encode("utf-16"),
    "blanks for tabs": lambda data: data.replace(b"\t", b"    "),
    "no indent": lambda data: data.replace(b"\t", b""),
    "rsyslog's tabs": lambda data: data.replace(b"\t", b"#011"),
    "every line doubled": lambda data: data.replace(b"\n", b"\n\n"),
    "several gzip members": lambda data: gzip.compress(data[:300]) + gzip.compress(data[300:]) + bytes(512),
    "docker's JSON": in_json,
    "a stack in JSON": lambda data: json.dumps({"level": "error", "stack": data.decode()}).encode() + b"\n",
    "log lines around": lambda data: b"2026/11/28 serving\n" + data + b"\n2026/11/28 done (200)\n",
    "log lines in between": lambda data: data.replace(b"\n\t/srv", b"\nhandled request (200)\n\t/srv"),
    "a list of log entries": lambda data: json.dumps(
        [{"textPayload": line} for line in data.decode().split("\n")], indent=2
    ).encode(),
    "an exported document": lambda data: json.dumps(
        {"events": [{"timestamp": 1, "message": line} for line in data.decode().split("\n")]}
    ).encode(),
    "bytes in journald's JSON": lambda data: b"".join(
        json.dumps({"MESSAGE": list(line), "_PID": "4711"}).encode() + b"\n" for line in data.split(b"\n")
    ),
    "JSON behind a prefix": lambda data: b"".join(
        b"Nov 28 10:00:01 host1 app[4711]: " + line for line in in_json(data).splitlines(keepends=True)
    ),
    "a stack deep in JSON": lambda data: (
        b"starting\n" + json.dumps({"message": "failed", "error": {"trace": data.decode()}}).encode()
    ),
    "JSON in JSON": lambda data: json.dumps({"log": json.dumps({"stack": data.decode()}) + "\n"}).encode(),
    "logrus' text": lambda data: f'time="2026-11-28" level=error msg={json.dumps(data.decode())}\n'.encode(),
    "one string without quotes": lambda data: data.replace(b"\n", b"\\n").replace(b"\t", b"\\t"),
    "Windows-1252 in between": lambda data: data.replace(b"\n\n", "\n\ngr\u00fc\u00dfe\n".encode("cp1252")),
    "a hole before it": lambda data: bytes(9_000) + data,
    "bytes of 0 behind it": lambda data: data + bytes(9_000),
    "bytes of 0 in between": lambda data: data.replace(b"\n\n", b"\n\0\0\0\n"),
    "a web page": lambda data: b"<pre>" + data.lstrip() + b"</pre>\n",
    "headers of today": lambda data: data.replace(b"goroutine 1 [", b"goroutine 1 gp=0xc000002380 m=0 mp=0x55d0e0 ["),
    "while the stacks are scanned": lambda data: data.replace(b"[select,", b"[select (scan),"),
    "in a bubble": lambda data: data.replace(b"3 minutes]", b"3 minutes, synctest bubble 5]"),
    "labels": lambda data: data.replace(b"minutes]:", b'minutes]{"user": "a]b", "x": "y"}:'),
    "elided frames": lambda data: data.replace(b"created by", b"...additional frames elided...\ncreated by", 1),
    "half a line behind it": lambda data: data + b"\n2026/11/28 10:00:00 serv",
    "foreign bytes in between": lambda data: data.replace(b"\n\n", b"\n\n\xff\xfe\xfa\n"),
}


@pytest.mark.parametrize("form", [pytest.param(form, id=name) for name, form in FORMS.items()])
def test_a_dump_shows_the_same_in_whatever_form_it_comes(form: Callable[[bytes], bytes]) -> None:
    assert read(form(PLAIN)).groups == read(PLAIN).groups


@pytest.mark.parametrize("prefix", [pytest.param(prefix, id=name) for name, prefix in PREFIXES.items()])
def test_what_a_logger_puts_before_each_line_is_removed_and_named(prefix: str) -> None:
    profile = read(prefixed(prefix))
    assert profile.groups == read(PLAIN).groups
    assert profile.reading.recognized
    assert profile.reading.passed_over == 0


@pytest.mark.parametrize("prefix", [pytest.param(prefix, id=name) for name, prefix in PREFIXES.items()])
@pytest.mark.parametrize("blanks", [b"\t", b"        ", b" "])
def test_a_debug_1_profile_may_be_prefixed_too(prefix: str, blanks: bytes) -> None:
    data = (DUMPS / "plain-debug1.txt").read_bytes()
    assert read(prefixed(prefix, data.replace(b"\t", blanks))).groups == read(data).groups


@pytest.mark.parametrize(
    "name",
    ["crlf", "bom", "blank-first", "no-last-newline", "trailing-space", "indented", "spaces", "fenced", "compose"],
)
def test_a_pasted_dump_from_the_field_shows_what_the_plain_one_does(name: str) -> None:
    profile = read((DUMPS / f"{name}.txt").read_bytes())
    assert profile.groups == read(PLAIN).groups
    assert profile.reading.passed_over == 0


@pytest.mark.parametrize(
    "name",
    ["panic", "asleep", "registers-last", "sigquit", "three-parts"],
)
def test_a_dump_of_a_dying_program_shows_what_the_plain_one_does(name: str) -> None:
    profile = read((DUMPS / f"{name}.txt").read_bytes())
    assert profile.groups == read(PLAIN).groups
    assert sum(group.count for group in profile.groups if group.created_by == PUMP) == 2
    assert max(group.wait_s for group in profile.groups) == 720
    assert profile.reading.passed_over == 0


def test_a_debug_1_profile_may_have_other_line_ends() -> None:
    plain = read((DUMPS / "plain-debug1.txt").read_bytes())
    assert read((DUMPS / "crlf-debug1.txt").read_bytes()).groups == plain.groups
    assert plain.goroutines == 13


@pytest.mark.parametrize("name", ["non-go", "symbolized"])
def test_frames_of_c_are_left_out_and_end_nothing(name: str) -> None:
    profile = read((DUMPS / f"{name}.txt").read_bytes())
    assert profile.goroutines == 5
    assert profile.groups[0].created_by == Frame("main.start", "/srv/app/main.go", 31)
    assert "C frames" in profile.reading.recognized
    assert profile.reading.passed_over == 0


def test_lines_that_are_passed_over_are_counted() -> None:
    assert read(FORMS["log lines around"](PLAIN)).reading.passed_over == 2


def test_a_dump_that_is_cut_off_is_refused_as_evidence_and_shown_as_far_as_it_goes() -> None:
    with pytest.raises(ProfileError, match="cut off"):
        read(PLAIN[:-30])
    profile = read(PLAIN[:-30], partial=True)
    assert (profile.format, profile.goroutines) == (CUT, 3)
    assert "goroutine 20" in profile.reading.partial


def test_text_without_goroutines_is_refused_by_what_it_is() -> None:
    with pytest.raises(ProfileError, match="2 lines of text and no goroutine"):
        read(b"something else\nentirely")


def test_a_goroutine_that_ran_on_another_thread_counts_without_a_stack() -> None:
    running = b"\ngoroutine 7 [running]:\n\tgoroutine running on other thread; stack unavailable\n"
    profile = read(PLAIN + running + b"created by main.main in goroutine 1\n\t/srv/app/main.go:3 +0x1\n")
    (group,) = [group for group in profile.groups if group.state == "running"]
    assert (group.frames, group.created_by, group.goids) == ((), Frame("main.main", "/srv/app/main.go", 3), (7,))
    assert profile.reading.passed_over == 0


@pytest.mark.parametrize(
    "registers",
    [
        "eax    0x0",
        "r29     0x1\nlr      0x3",
        "ra  0x1\tsp  0x2\nt0  0x5\ts11  0x6",
        "r0   0x1\tr1   0x2\nlink 0x3\tctr  0x4",
    ],
    ids=["386", "arm64", "riscv64", "ppc64"],
)
def test_the_registers_of_every_architecture_are_known(registers: str) -> None:
    profile = read(b"SIGQUIT: quit\nPC=0x46 m=0 sigcode=0\n\n" + PLAIN + f"\n{registers}\n".encode())
    assert profile.groups == read(PLAIN).groups
    assert (profile.reading.passed_over, "registers" in profile.reading.recognized) == (0, True)


def test_a_packed_file_is_refused_by_what_packed_it() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("dump.txt", PLAIN)
    with pytest.raises(ProfileError, match="a zip archive: unpack it"):
        read(packed.getvalue())
    with pytest.raises(ProfileError, match="compressed by bzip2"):
        read(bz2.compress(PLAIN))
    with pytest.raises(ProfileError, match="compressed by xz"):
        read(lzma.compress(PLAIN))
