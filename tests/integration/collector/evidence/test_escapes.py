"""What compilers of all versions say of a real program is read, and joined with its heap profile and its goroutines."""

import io
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde.collector_client import CollectorClient
from gosonde.escapes import EscapeLine
from gosonde_collector.evidence.escapes.matching import Source, Sources
from gosonde_collector.evidence.escapes.parse import parse_escapes
from gosonde_collector.evidence.model import Frame
from gosonde_common.errors import InvalidInputError, NotFoundError
from gosonde_pb.v1 import model_pb2

from tests.collector_process import GOSONDE, PATIENCE_S, SECOND, AgentStream, CollectorProcess, eventually
from tests.go_programs import SOURCES, GoProgram, build, compiler_output, site_line
from tests.versions import VERSIONS

PROGRAM, PID, BUILD = "escaping", 4711, "build"
FILE = str(SOURCES / PROGRAM / "main.go")
EXPLAINED, SHORT = "-gcflags=-m -m", "-gcflags=-m"
#: Go 1.22 too, whose loops have variables of their own.
COMPILERS = sorted({*VERSIONS, "1.22.10"})
BYTES = 8 << 10


def at(marker: str) -> int:
    return site_line(PROGRAM, marker)


@pytest.mark.parametrize("version", COMPILERS)
def test_every_escape_of_a_function_is_read_with_its_reason(version: str) -> None:
    found = parse_escapes(compiler_output(PROGRAM, version, EXPLAINED))
    assert (found.is_detailed, found.is_cut, found.passed_over, found.left_out) == (True, False, 0, 0)
    source = Sources(found).find(Frame("main.leak", FILE, at("leak")))
    assert isinstance(source, Source)
    escaping = {(one.line, one.kind, one.name): one.why for one in found.values if source.has(one)}
    buffer = escaping.pop((at("buffer"), "expression", "make([]byte, size)"))
    # Go 1.23 allows for a small one on the stack, and so says where it goes.
    assert buffer in {"of a size that is not known at compile time", f"put into job{{...}} at line {at('second')}"}
    assert escaping == {
        (at("first"), "expression", "&job{...}"): f"sent on a channel at line {at('send')}",
        (at("second"), "expression", "&job{...}"): f"assigned by first.next = second at line {at('send') - 1}",
        (at("count"), "variable", "count"): f"captured by a closure at line {at('leak') + 1}",
        (at("leak"), "expression", "func literal"): "outlives the call",
    }


@pytest.mark.parametrize("version", COMPILERS)
def test_one_m_names_the_same_values_without_reasons(version: str) -> None:
    short, long = (parse_escapes(compiler_output(PROGRAM, version, flag)) for flag in (SHORT, EXPLAINED))
    assert {(one.line, one.kind, one.name) for one in short.values} == {
        (one.line, one.kind, one.name) for one in long.values
    }
    assert not short.is_detailed
    assert {one.why for one in short.values} == {""}


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_whole_trees_and_trimmed_paths_are_read(version: str) -> None:
    trimmed = parse_escapes(compiler_output(PROGRAM, version, EXPLAINED, "-trimpath"))
    assert isinstance(Sources(trimmed).find(Frame("main.leak", FILE, at("leak"))), Source)
    whole = parse_escapes(compiler_output(PROGRAM, version, "-gcflags=all=-m -m"))
    plain = parse_escapes(compiler_output(PROGRAM, version, EXPLAINED))
    assert {one.file for one in whole.values} == {"escaping/main.go", "protocol/protocol.go"}
    assert [one for one in whole.values if one.file == "escaping/main.go"] == list(plain.values)
    assert whole.foreign > 10_000


def seen(created: int, second: int, now: int) -> model_pb2.Observation:
    """What an agent would have sent of the program in a second of the last minute."""
    found = model_pb2.Observation(taken_unix_nano=now - (60 - second) * SECOND)
    started = now - 60 * SECOND
    found.processes.add(
        key=model_pb2.ProcessKey(boot_id="boot", pid=PID, start_ticks=PID),
        exe="/srv/escaping",
        go_version="go1.27.3",
        build_id=BUILD,
        started_unix_nano=started,
        counted_since_unix_nano=started,
        counted_from_start=True,
        level=model_pb2.LEVEL_FULL,
    )
    names, counters = found.site_names, found.site_counters
    for column, value in (("build_id", BUILD), ("pc", 9), ("function", "main.leak"), ("file", FILE)):
        getattr(names, column).append(value)
    names.line.append(at("leak"))
    names.start_function.append("main.leak.func1")
    for column, number in (("process", 0), ("pc", 9), ("created", created), ("exited", 0)):
        getattr(counters, column).append(number)
    return found


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """With the finding of a program that leaked 600 goroutines, and its own heap profile."""
    folder, now = tmp_path_factory.mktemp("collector"), time.time_ns()
    with CollectorProcess(folder) as running, AgentStream(running.address) as agent:
        for second in range(1, 61):
            agent.observe(second, seen(10 * second, second, now))
        with running.client() as client, GoProgram(build(PROGRAM)) as program:
            assert eventually(client, "opened")
            program.ask("leak 600")
            program.ask(f"heap {folder}/heap")
            client.push_snapshot(io.BytesIO((folder / "heap").read_bytes()), "web-1", PID)
        yield running


def command(collector: CollectorProcess, *words: str | Path, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    arguments = [GOSONDE, *words, "--collector", collector.address]
    return subprocess.run(arguments, input=text, capture_output=True, timeout=PATIENCE_S, check=False)


def push(collector: CollectorProcess, output: bytes, *flags: str) -> subprocess.CompletedProcess[bytes]:
    words = ("pprof", "push", "--escapes", "-", str(PID), "--host", "web-1", *flags)
    return command(collector, *words, text=output)


def test_a_finding_says_what_escapes_why_and_how_much_of_it_is_in_use(collector: CollectorProcess) -> None:
    done = push(collector, compiler_output(PROGRAM, VERSIONS[-1], EXPLAINED), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["build_id"] == BUILD
    with CollectorClient(collector.address) as client:
        assert "escapes-pushed" in {row.act for row in client.audit()}
        found = client.explain(client.findings()[0].id)
    assert found.escapes
    lines = {line.line: line for line in found.escapes.lines}
    assert all((line.function, line.file) == ("main.leak", FILE) for line in lines.values())
    assert [found.escapes.lines[0].line, found.escapes.missing] == [at("buffer"), ()]
    assert (lines[at("buffer")].inuse_objects, lines[at("buffer")].inuse_bytes) == (600, 600 * BYTES)
    assert [lines[at(line)].inuse_objects for line in ("first", "second", "leak")] == [600, 600, 600]
    # Two of these numbers share a block of 16 bytes, and the runtime counts blocks (mallocgc in runtime/malloc.go).
    assert 300 <= (lines[at("count")].inuse_objects or 0) < 600
    assert at("dropped") not in lines


def test_the_command_shows_the_same_in_words_and_as_json(collector: CollectorProcess) -> None:
    assert push(collector, compiler_output(PROGRAM, VERSIONS[-1], EXPLAINED)).returncode == 0
    with CollectorClient(collector.address) as client:
        finding = client.findings()[0].id
    printed = " ".join(command(collector, "findings", "--explain", finding).stdout.decode().split())
    for words in (
        f"line {at('count')}: the variable count escapes: captured by a closure at line {at('leak') + 1}",
        f"in use: 600 objects, {600 * BYTES / (1 << 20):.1f} MiB, of 60",
        "600 goroutines of the go statement live: both are on the same lines; the profile does not say whether they",
        "numbers are the runtime's estimates",
    ):
        assert words in printed
    document = json.loads(command(collector, "findings", "--explain", finding, "--json").stdout)
    assert set(document["escapes"]["lines"][0]) == {field.name for field in EscapeLine.__dataclass_fields__.values()}


def test_a_newer_output_of_the_build_takes_the_place_of_the_older(collector: CollectorProcess) -> None:
    assert push(collector, compiler_output(PROGRAM, VERSIONS[-1], EXPLAINED)).returncode == 0
    done = push(collector, compiler_output(PROGRAM, VERSIONS[-1], SHORT))
    said = " ".join(done.stdout.decode().split())
    assert said.endswith("no reasons: built with -m once; in place of an earlier output")
    with CollectorClient(collector.address) as client:
        found = client.explain(client.findings()[0].id).escapes
    assert found
    assert not found.is_detailed
    assert {line.line for line in found.lines} == {at("leak")}


def test_the_output_of_another_program_a_profile_and_noise_are_refused(collector: CollectorProcess) -> None:
    with collector.client() as client:
        for output, words in (
            (compiler_output("profiled", VERSIONS[-1], EXPLAINED), "of another program, or of other source: main.leak"),
            (build(PROGRAM).read_bytes()[: 1 << 20], "the file is no text"),
            (b"goroutine 1 [running]:\n" * 100, "none of 100 lines is of the compiler"),
            (b"", "the output is empty"),
            (b"x" * (65 << 20), "the output is larger than"),
        ):
            with pytest.raises(InvalidInputError, match=words):
                client.push_escapes(io.BytesIO(output), "web-1", PID)
        with pytest.raises(NotFoundError, match="no process 12 is known on web-1"):
            client.push_escapes(io.BytesIO(compiler_output(PROGRAM, VERSIONS[-1], EXPLAINED)), "web-1", 12)
        assert len(client.processes()) == 1
