"""A collector whose store is damaged says what to do, and after that it runs again."""

import json
import signal
import subprocess
from pathlib import Path

from gosonde_collector.store.duckdb import FILE_NAME

from tests.agent_process import eventually
from tests.collector_process import GOSONDE, AgentStream, CollectorProcess, leak, observation


def known(folder: Path) -> int:
    with CollectorProcess(folder) as collector, collector.client() as client:
        return len(client.processes())


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GOSONDE, *command], capture_output=True, text=True, timeout=60, check=False)


def test_a_damaged_store_stops_the_start_and_salvaging_it_brings_the_collector_back(tmp_path: Path) -> None:
    log = tmp_path / "data" / f"{FILE_NAME}.wal"
    with CollectorProcess(tmp_path) as collector, AgentStream(collector.address) as agent:
        first = 0
        for sequence, seen in enumerate(leak(1_000, 5), 1):
            agent.observe(sequence, seen)
            collector.process.send_signal(signal.SIGSTOP)
            # Until it goes on, no checkpoint empties the log. What the first batch has stays before the damage.
            first = first or log.stat().st_size
            if log.exists() and log.stat().st_size > 2 * first + 4_096:
                break
            collector.process.send_signal(signal.SIGCONT)
        collector.stop(signal.SIGKILL)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 1
    log.write_bytes(content)
    refused = run("collector", "--data", tmp_path / "data", "--listen", f"unix:{tmp_path}/other.sock")
    assert refused.returncode == 3
    assert "`gosonde store salvage`" in refused.stderr
    assert "put a backup in its place" in refused.stderr
    assert "Traceback" not in refused.stderr
    salvaged = run("store", "salvage", "--data", tmp_path / "data")
    assert salvaged.returncode == 0, salvaged.stderr
    assert "write-ahead log:" in salvaged.stdout
    assert "the damaged files are in" in salvaged.stdout
    assert known(tmp_path) == 1
    assert "is not damaged" in run("store", "salvage", "--data", tmp_path / "data").stdout
    whole = json.loads(run("store", "salvage", "--json", "--data", tmp_path / "data").stdout)
    assert (whole["quarantine"], whole["damage"]) == (None, "")


def test_what_is_stored_leaves_the_log_by_itself(tmp_path: Path) -> None:
    log = tmp_path / "data" / f"{FILE_NAME}.wal"
    with CollectorProcess(tmp_path) as collector:
        with AgentStream(collector.address) as agent:
            agent.observe(1, observation([(1, 2, 0)]))
            eventually(lambda: not log.exists() or log.stat().st_size == 0)
        collector.stop(signal.SIGKILL)
    log.unlink(missing_ok=True)
    assert known(tmp_path) == 1


def test_salvaging_where_there_is_no_store_says_so(tmp_path: Path) -> None:
    done = run("store", "salvage", "--data", tmp_path)
    assert done.returncode == 1
    assert "there is no store in" in done.stderr
