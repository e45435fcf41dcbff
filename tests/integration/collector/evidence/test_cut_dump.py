"""A dump as large as Go writes one: it cuts debug=2 at 64 MiB, wherever that falls."""

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_collector.evidence.debug2 import GO_CUTS_AT
from gosonde_collector.evidence.model import CUT, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.upload import ProfileUpload

from tests.collector_process import GOSONDE, AgentStream, CollectorProcess, observation
from tests.go_programs import build
from tests.paths import FIXTURES

#: Long, so that the padding is few lines: each takes time.
BLANK_LINE = b" " * 1023 + b"\n"
PLAIN = (FIXTURES / "dumps" / "plain.txt").read_bytes()


def test_what_go_cuts_at_64_mib_is_partial_evidence() -> None:
    whole = PLAIN.replace(b"goroutine 1 ", b"goroutine 7 ")
    end = whole.index(b"\n\n") + 2
    cut = PLAIN[:120]
    padding = BLANK_LINE * (GO_CUTS_AT // len(BLANK_LINE))
    padding = padding[len(whole) + len(cut) :]
    upload = ProfileUpload()
    upload.feed(gzip.compress(whole[:end] + padding + whole[end:] + cut, 1))
    profile = parse_profile(upload.finish())
    assert isinstance(profile, GoroutineProfile)
    assert profile.format == CUT
    assert "64 MiB" in profile.reading.partial
    assert profile.goroutines >= 4


@pytest.mark.minutes
@pytest.mark.parametrize(
    "pack", [pytest.param(bytes, id="plain"), pytest.param(lambda data: gzip.compress(data, 1), id="gzip")]
)
def test_a_real_dump_that_go_cut_at_64_mib_is_pushed_and_its_goroutines_are_evidence(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    program = [str(build("dying")), "profile", "250000"]
    dump = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    assert len(dump) == GO_CUTS_AT
    with CollectorProcess(tmp_path) as collector:
        with AgentStream(collector.address) as agent:
            agent.observe(1, observation([(1, 10, 3)]))
        command: list[str | Path] = [GOSONDE, "pprof", "push", "-", "--host", "web-1", "--pid", "4711", "--json"]
        command += ["--collector", collector.address]
        done = subprocess.run(command, input=pack(dump), capture_output=True, check=True)
    pushed = json.loads(done.stdout)
    assert 100_000 < pushed["goroutines"] < 250_000
    assert "64 MiB" in pushed["partial"]
