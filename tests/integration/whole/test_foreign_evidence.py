"""Every command on profiles, logs and programs whose names are full of controls: none of them reaches the terminal."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from gosonde_pb.pprof.v1 import profile_pb2
from gosonde_pb.v1 import ingest_pb2, model_pb2

from tests import go_programs
from tests.collector_process import AgentStream, CollectorProcess, observation
from tests.hostile_text import DIRECTIONS, SENDABLE, UNSEEN
from tests.integration.whole.foreign_processes import HOST, hostile, knowing_collector, said

JSON = pytest.mark.parametrize("flags", [[], ["--json"]])
#: As a file name: one component of a path has 255 bytes at most.
FILE = SENDABLE.replace("/", "")[:60]
#: In the place of as many letters of a Go program's names.
CLEAR = b"\x1b[2J"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with knowing_collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


def profile() -> bytes:
    """A goroutine profile of the process that the collector knows: its names are those of the sites there."""
    names = ["", "goroutine", "count", *(f"{SENDABLE}{number}" for number in (0, 1))]
    made = profile_pb2.Profile(string_table=names)
    made.sample_type.add(type=1, unit=2)
    for number in (1, 2):
        made.function.add(id=number, name=number + 2, filename=number + 2)
        made.location.add(id=number).line.add(function_id=number, line=number)
    made.sample.add(location_id=[1, 2], value=[9])
    return made.SerializeToString()


def dump() -> str:
    """A dump of goroutines whose functions, files and wait reasons are full of controls."""
    name = f"\x1b[2J\x1b]0;owned\x07{DIRECTIONS}{UNSEEN}"
    stack = (
        f"main.{name}(0x1)\n\t/srv/{name}.go:42 +0x1d\ncreated by main.{name} in goroutine 1\n\t/srv/{name}.go:7 +0x2"
    )
    reasons = (f"chan receive\x1b\x9b2J{DIRECTIONS}", "select, 9 minutes", "running")
    return "\n\n".join(f"goroutine {number} [{reason}]:\n{stack}" for number, reason in enumerate(reasons, 1)) + "\n"


@JSON
def test_a_profile_is_pushed_without_a_control(collector: CollectorProcess, flags: list[str], tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_bytes(profile())
    out, err = said("pprof", "push", file, "--host", HOST, "--pid", "4711", "--collector", collector.address, *flags)
    assert not err
    assert "9" in out


@JSON
def test_a_snapshot_that_is_taken_is_shown_without_a_control(collector: CollectorProcess, flags: list[str]) -> None:
    host = f"{HOST}{len(flags)}"
    command = ("snapshot", "--host", host, "--pid", "4711", "--kind", "pprof", "--collector", collector.address)
    kinds = (model_pb2.SNAPSHOT_KIND_PPROF,)
    with (
        ThreadPoolExecutor(1) as pool,
        AgentStream(collector.address, host=host, agent_id=host, snapshot_kinds=kinds) as agent,
    ):
        agent.observe(1, hostile(observation([(1, 10, 3), (2, 4, 0)])))
        pool.submit(answer, agent)
        out, err = said(*command, *flags)
    assert not err
    assert "9" in out


def answer(agent: AgentStream) -> None:
    """Gives whoever asks a profile, until the stream ends: the analysis may ask first."""
    with contextlib.suppress(StopIteration, grpc.RpcError):
        while True:
            agent.answer(ingest_pb2.SnapshotPiece(id=agent.asked().id, chunk=profile(), last=True))


@JSON
@pytest.mark.parametrize("content", [profile(), dump().encode()], ids=["profile", "dump"])
def test_a_dump_is_shown_without_a_control(content: bytes, flags: list[str], tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_bytes(content)
    out, err = said("pprof", "show", file, *(flags or ["--wide"]))
    assert not err
    assert "\\u202e" in out


@JSON
def test_a_gctrace_log_is_pushed_without_a_control(
    collector: CollectorProcess, flags: list[str], tmp_path: Path
) -> None:
    line = (
        "gc 1 @0.014s 2%: 0.021+0.33+0.003 ms clock, 0.16+0.11/0.46/0.11+0.028 ms cpu, 4->4->0 MB, 5 MB goal, "
        "0 MB stacks, 0 MB globals, 8 P"
    )
    file = tmp_path / FILE
    file.write_text(f"{SENDABLE}\n{line}\ngc 2 {SENDABLE}\n")
    out, err = said("gctrace", "push", file, "--host", HOST, "--pid", "4711", "--collector", collector.address, *flags)
    assert not err
    assert json.loads(out)["cycles"] == 1 if flags else "1" in out


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """A Go program with controls in the names of its functions and files: no compiler writes them, a stranger may."""
    path = tmp_path_factory.mktemp("renamed") / "program"
    content = go_programs.build("leak").read_bytes()
    assert b"main.leak\0" in content
    path.write_bytes(
        content.replace(b"main.leak\0", b"main." + CLEAR + b"\0").replace(b"leak/main.go\0", CLEAR + b"/main.go\0")
    )
    path.chmod(0o755)
    with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        yield running
        running.kill()


@pytest.mark.parametrize("flags", [[], ["--each"], ["--json"]])
def test_goroutines_of_functions_with_controls_are_shown_without_them(
    renamed: subprocess.Popen[bytes], flags: list[str]
) -> None:
    out, err = said("goroutines", str(renamed.pid), *flags)
    assert not err
    assert "main.\\u001b[2J" in out if "--json" in flags else "main.\\x1b[2J" in out


@pytest.mark.usefixtures("ebpf")
@JSON
def test_trace_shows_functions_with_controls_without_them(renamed: subprocess.Popen[bytes], flags: list[str]) -> None:
    out, _ = said("trace", "--pid", str(renamed.pid), "--duration", "2", *flags)
    assert "main.\\u001b[2J" in out if flags else "main.\\x1b[2J" in out
