"""Evidence that is damaged, endless, of another process or of another build is refused, counted with its reason, and
never part of a verdict."""

import gzip
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from gosonde.collector_client import CollectorClient
from gosonde_common.errors import InvalidInputError, NotFoundError

from tests.collector_process import SECOND, AgentStream, CollectorProcess, observation
from tests.paths import FIXTURES
from tests.real_binaries import free_port

RECORDED = FIXTURES / "pprof"
PROTO = (RECORDED / "go1.24.proto.gz").read_bytes()
TEXT = (RECORDED / "go1.24.debug2.txt").read_bytes()
HOST, PID = "web-1", 4711


@dataclass(frozen=True)
class Collecting:
    """A collector with metrics."""

    address: str
    http: str

    def refused(self) -> dict[tuple[str, str], float]:
        """What was refused so far, by kind and reason; nothing of what is 0."""
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        name = "gosonde_collector_evidence_refused_total{"
        found = {line.partition("{")[2].partition("}")[0]: line for line in lines if line.startswith(name)}
        counts = {}
        for labels, line in found.items():
            kind, reason = (label.partition("=")[2].strip('"') for label in labels.split(","))
            if value := float(line.rpartition(" ")[2]):
                counts[kind, reason] = value
        return counts


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    folder, http = tmp_path_factory.mktemp("collector"), f"127.0.0.1:{free_port()}"
    config = folder / "collector.toml"
    config.write_text(f'http = "{http}"\n')
    with CollectorProcess(folder, "--config", str(config)) as running:
        with AgentStream(running.address) as agent:
            agent.observe(1, observation([(1, 10, 3)]))
        yield Collecting(running.address, http)


Push = Callable[[CollectorClient], object]


def profile(data: bytes, host: str = HOST, taken_unix_nano: int = 0) -> Push:
    return lambda client: client.push_snapshot(BytesIO(data), host, PID, taken_unix_nano)


def foreign() -> bytes:
    """A traceback of a program whose main.site_1 stands in another file."""
    return b"goroutine 1 [running]:\nmain.site_1()\n\t/elsewhere/other.go:7 +0x1c\n"


def gctrace(*cycles: tuple[int, float]) -> Push:
    lines = "".join(
        f"gc {cycle} @{at:.3f}s 3%: 0.021+0.57+0.004 ms clock, 0.16+0.33/0.9/0+0.03 ms cpu, 4->4->1 MB, 5 MB goal, "
        f"0 MB stacks, 0 MB globals, 8 P\n"
        for cycle, at in cycles
    )
    return lambda client: client.push_gctrace(lines.encode(), HOST, PID)


DAY_NS = 86_400 * SECOND


@pytest.mark.parametrize(
    ("push", "kind", "reason"),
    [
        (profile(PROTO[:700]), "profile", "truncated"),
        (profile(TEXT[:-20]), "profile", "truncated"),
        (profile(b""), "profile", "empty"),
        (profile(b"<html>404</html>"), "profile", "unknown_kind"),
        (profile(gzip.compress(b"goroutine " + bytes(100 << 20))), "profile", "too_large"),
        (profile(b"\x0a\x02\xff\xff" + bytes([0x0A, 0x00]) * 9), "profile", "malformed"),
        (profile(TEXT, taken_unix_nano=time.time_ns() + DAY_NS), "profile", "untimely"),
        (profile(TEXT, taken_unix_nano=time.time_ns() - DAY_NS), "profile", "unknown_process"),
        (profile(foreign()), "profile", "mismatched"),
        (profile(TEXT, host="web-9"), "profile", "unknown_process"),
        (gctrace((1, 5), (2, 1)), "gctrace", "mismatched"),
        (gctrace((1, 90_000)), "gctrace", "mismatched"),
        (lambda client: client.push_gctrace(bytes((4 << 20) + 1), HOST, PID), "gctrace", "too_large"),
    ],
)
def test_bad_evidence_is_counted_with_its_reason(collecting: Collecting, push: Push, kind: str, reason: str) -> None:
    before = collecting.refused()
    with CollectorClient(collecting.address) as client, pytest.raises((InvalidInputError, NotFoundError)):
        push(client)
    after = collecting.refused()
    assert {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key)} == {
        (kind, reason): 1
    }


def test_a_torn_line_of_gctrace_is_counted_and_not_refused(collecting: Collecting) -> None:
    with CollectorClient(collecting.address) as client:
        pushed = client.push_gctrace(b"gc 1 @nonsense\ngc 2 @0.1s 1%: 0.0\n", HOST, PID)
    assert (pushed.cycles, pushed.others, pushed.torn) == (0, 2, 1)


def test_good_evidence_is_not_counted_as_refused(collecting: Collecting) -> None:
    before = collecting.refused()
    with CollectorClient(collecting.address) as client:
        profile(TEXT)(client)
        gctrace((1, 1.5), (2, 2.5))(client)
    assert collecting.refused() == before


def test_what_is_refused_is_never_part_of_what_is_known(collecting: Collecting) -> None:
    with CollectorClient(collecting.address) as client:
        with pytest.raises(
            InvalidInputError, match=r"it has main.site_1 in /elsewhere/other.go, and this process has it in"
        ):
            profile(foreign())(client)
        (row,) = client.processes()
        assert abs(row.clock_offset_ns) < 60 * SECOND


def test_a_host_whose_clock_is_off_is_told_of_and_its_profiles_are_taken_by_its_own_clock(tmp_path: Path) -> None:
    late = 3_600 * SECOND
    with CollectorProcess(tmp_path) as running, CollectorClient(running.address) as client:
        with AgentStream(running.address) as agent:
            seen = observation([(1, 10, 3)], taken_unix_nano=time.time_ns() - late)
            seen.processes[0].started_unix_nano = seen.taken_unix_nano - 60 * SECOND
            agent.observe(1, seen)
        (row,) = client.processes()
        assert row.clock_offset_ns == pytest.approx(-late, abs=20 * SECOND)
        pushed = client.push_snapshot(BytesIO(TEXT), HOST, PID)
        assert abs(pushed.age_ns) < 20 * SECOND
