"""The wall clock of the collector's and the agent's host jumps by hours; curves and findings stay what they are."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.agent_process import eventually as until
from tests.agent_process import free_port
from tests.collector_process import AgentStream, CollectorProcess, eventually, leak, metric, observation

HOUR_NS = 3_600 * 10**9

#: Runs `gosonde` in a process whose wall clock is off by what a file says, in nanoseconds; its collector cleans up each
#: second.
JUMPY = """
import sys, time
from pathlib import Path
offset, real = Path(sys.argv.pop(1)), time.time_ns
time.time_ns = lambda: real() + int(offset.read_text() or 0)
time.time = lambda: time.time_ns() / 1e9
from gosonde_cli.cli import main
from gosonde_collector import routine
routine.ROUND_SECONDS, routine.EXPIRE_ROUNDS = 1.0, 1
main()
"""


def clean_ups(address: str) -> float:
    return metric(address, "gosonde_collector_clean_ups_total", {})


@pytest.mark.parametrize("jump", [30 * HOUR_NS, -30 * HOUR_NS], ids=["ahead", "back"])
def test_a_jump_of_the_collectors_clock_deletes_nothing_and_ends_no_finding(tmp_path: Path, jump: int) -> None:
    """30 hours are more than the retention."""
    offset = tmp_path / "offset"
    offset.write_text("0")
    command = [sys.executable, "-c", JUMPY, str(offset)]
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "collector.toml").write_text(f'http = "{address}"\n')
    flags = ("--config", str(tmp_path / "collector.toml"))
    with CollectorProcess(tmp_path, *flags, program=command) as collector, AgentStream(collector.address) as stream:
        began = time.time_ns()
        for second, seen in enumerate(leak(50, 50), 1):
            stream.observe(second, seen)
        with collector.client() as client:
            assert eventually(client, "opened"), client.findings()
            before = client.findings()[0]
            offset.write_text(str(jump))
            for second in range(51, 56):
                taken = began + (second - 50) * 10**9
                counts = [(42, 50 * second, 0), (7, 1_000 * second, 1_000 * second - 3)]
                stream.observe(second, observation(counts, taken_unix_nano=taken, started_s_ago=50))
            cleaned = clean_ups(address)
            until(lambda: clean_ups(address) >= cleaned + 2)
            time.sleep(5)
            (after,) = client.findings()
            assert after.id == before.id
            assert after.state in {"opened", "growing"}
            assert after.growth_per_second == pytest.approx(50, rel=0.2)
            assert sorted(row.created for row in client.sites()) == [2_750, 55_000]


def test_the_script_really_moves_the_clock(tmp_path: Path) -> None:
    (tmp_path / "offset").write_text(str(HOUR_NS))
    script = JUMPY.partition("from gosonde_cli.cli")[0] + "print(time.time_ns() - real())"
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "offset"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == pytest.approx(HOUR_NS, rel=0.01)
