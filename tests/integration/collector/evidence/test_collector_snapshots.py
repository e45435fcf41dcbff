"""Pushing profiles to a running collector: what fits is compared, what does not is refused, and nobody else notices."""

import gzip
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde.collector_client import CollectorClient
from gosonde_common.errors import InvalidInputError, NotFoundError

from tests.collector_process import GOSONDE, PATIENCE_S, AgentStream, CollectorProcess, eventually, leak, observation
from tests.go_programs import build
from tests.paths import FIXTURES

RECORDED = FIXTURES / "pprof"
PID = 4711


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path_factory.mktemp("collector")) as running:
        with AgentStream(running.address) as agent:
            agent.observe(1, observation([(1, 10, 3)]))
        yield running


def push(
    collector: CollectorProcess, file: Path | str, *flags: str, host: str = "web-1", pid: int = PID, text: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    command = [
        GOSONDE,
        "pprof",
        "push",
        file,
        "--host",
        host,
        "--pid",
        str(pid),
        "--collector",
        collector.address,
        *flags,
    ]
    return subprocess.run(command, input=text, capture_output=True, timeout=PATIENCE_S, check=False)


@pytest.mark.parametrize("kind", ["debug1.txt", "debug2.txt"])
def test_a_text_profile_is_taken(collector: CollectorProcess, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "profile"
    file.write_bytes((RECORDED / f"go1.27.{kind}").read_bytes())
    done = push(collector, file)
    assert done.returncode == 0
    assert b"22 goroutines with" in done.stdout


def test_a_profile_comes_through_standard_input_too(collector: CollectorProcess) -> None:
    done = push(collector, "-", "--json", text=gzip.compress((RECORDED / "go1.21.debug2.txt").read_bytes()))
    assert done.returncode == 0
    assert b'"goroutines": 22' in done.stdout


def test_an_execution_trace_is_taken(collector: CollectorProcess, tmp_path: Path) -> None:
    file = tmp_path / "trace"
    subprocess.run([str(build("traced")), str(file)], stdout=subprocess.DEVNULL, timeout=PATIENCE_S, check=True)
    done = push(collector, file, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["kind"], said["format"], said["goroutines"]) == ("trace", "trace v2", 0)
    assert said["distinct_stacks"] > 3
    file.write_bytes(file.read_bytes()[:-1])
    cut = push(collector, file)
    assert cut.returncode == 1
    assert b"the execution trace is cut off at byte" in cut.stderr


def test_a_profile_from_before_the_process_is_refused(collector: CollectorProcess, tmp_path: Path) -> None:
    file = tmp_path / "profile"
    file.write_bytes((RECORDED / "go1.27.debug2.txt").read_bytes())
    os.utime(file, (1_600_000_000, 1_600_000_000))
    done = push(collector, file)
    assert done.returncode == 1
    assert b"taken at 2020-09-13 12:26:40+00:00, when the process 4711 known on web-1 did not run" in done.stderr


@pytest.mark.parametrize(
    ("host", "pid", "words"),
    [("web-9", PID, b"known hosts: web-1"), ("web-1", 12, b"no process 12 is known on web-1; known there: 4711")],
)
def test_an_unknown_process_is_refused_with_what_is_known(
    collector: CollectorProcess, host: str, pid: int, words: bytes
) -> None:
    done = push(collector, "-", host=host, pid=pid, text=(RECORDED / "go1.27.debug2.txt").read_bytes())
    assert done.returncode == 1
    assert words in done.stderr


def zeros(size: int) -> Iterator[bytes]:
    for _ in range(size >> 20):
        yield bytes(1 << 20)


class Pieces:
    """A file that is made while it is read."""

    def __init__(self, start: bytes, rest: Iterator[bytes]) -> None:
        self._start = start
        self._rest = rest

    def read(self, _: int) -> bytes:
        start, self._start = self._start, b""
        return start or next(self._rest, b"")


PROTO = (RECORDED / "go1.24.proto.gz").read_bytes()
TEXT = (RECORDED / "go1.24.debug2.txt").read_bytes()


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (Pieces(PROTO[:700], iter(())), "cut off"),
        (Pieces(TEXT[:-20], iter(())), "cut off"),
        (Pieces(b"", iter(())), "empty"),
        (Pieces(gzip.compress(b"goroutine " + bytes(200 << 20)), iter(())), "inflates to more than"),
        (Pieces(b"<html>", zeros(100 << 20)), "not a profile"),
        (Pieces(b"goroutine ", zeros(100 << 20)), "larger than"),
        (Pieces(b"\x0a", zeros(100 << 20)), "larger than"),
        (Pieces(gzip.compress(os.urandom(1 << 20)), iter(())), "not a profile"),
    ],
    ids=["truncated proto", "truncated text", "nothing", "bomb", "100 MB html", "100 MB text", "100 MB proto", "noise"],
)
def test_a_bad_profile_is_refused_and_the_collector_goes_on(
    collector: CollectorProcess, profile: Pieces, words: str
) -> None:
    with collector.client() as client:
        with pytest.raises(InvalidInputError, match=words):
            client.push_snapshot(profile, "web-1", PID)  # type: ignore[arg-type]
        assert len(client.processes()) == 1


def test_the_collector_stays_small_under_bad_profiles(collector: CollectorProcess) -> None:
    assert memory_mib(collector.process.pid) < 1_024


def memory_mib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) >> 10


def test_a_header_without_a_process_is_refused(collector: CollectorProcess) -> None:
    with collector.client() as client, pytest.raises(InvalidInputError, match="no host or no pid"):
        client.push_snapshot(Pieces(TEXT, iter(())), "", PID)  # type: ignore[arg-type]


def test_a_debug_2_snapshot_confirms_a_leak_and_another_contradicts_it(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector, AgentStream(collector.address) as agent, collector.client() as client:
        for sequence, seen in enumerate(leak(seconds=50, per_second=20), 1):
            agent.observe(sequence, seen)
        assert eventually(client, "opened")
        client.push_snapshot(Pieces(traceback(1_000), iter(())), "web-1", PID)  # type: ignore[arg-type]
        assert becomes(client, "agrees") == 0.5  # and no more, while it is not known to stay
        client.push_snapshot(Pieces(traceback(2), iter(())), "web-1", PID)  # type: ignore[arg-type]
        assert becomes(client, "disagrees") < 0.5


def traceback(goroutines: int) -> bytes:
    """What debug=2 shows of that many goroutines of main.site_42."""
    stack = "main.site_42.func1()\n\tmain.go:43 +0x1c\ncreated by main.site_42 in goroutine 1\n\tmain.go:42 +0x26\n"
    return "\n".join(f"goroutine {n} [chan receive]:\n{stack}" for n in range(2, goroutines + 2)).encode()


def becomes(client: CollectorClient, verdict: str) -> float:
    """Waits until the pprof witness says so, and gives the finding's confidence."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        (finding,) = client.findings()
        if finding.witnesses["pprof"] == verdict:
            return finding.confidence
        time.sleep(0.2)
    pytest.fail(f"pprof never said {verdict}: {finding}")


def test_a_file_that_is_not_there_is_said_clearly(collector: CollectorProcess, tmp_path: Path) -> None:
    done = push(collector, tmp_path / "none")
    assert done.returncode == 1
    assert b"No such file" in done.stderr


def test_a_process_not_found_is_an_error_of_its_own_type(collector: CollectorProcess) -> None:
    with collector.client() as client, pytest.raises(NotFoundError):
        client.push_snapshot(Pieces(TEXT, iter(())), "web-1", 1)  # type: ignore[arg-type]
