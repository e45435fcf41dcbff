"""What the version before has written is opened by this one; tests/fixtures/upgrade says what it is."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent import config as agent_config
from gosonde_agent.config import AgentConfig
from gosonde_collector import config as collector_config
from gosonde_collector.config import CollectorConfig
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc, model_pb2

from tests.agent_process import AgentProcess, delivers_its_own, eventually
from tests.collector_process import GOSONDE, PATIENCE_S, SECOND, AgentStream, CollectorProcess, totals_of_all_runs
from tests.other_host import other_host
from tests.paths import FIXTURES

UPGRADE = FIXTURES / "upgrade"
EXPECTED = json.loads((UPGRADE / "expected.json").read_text())
HOST: str = EXPECTED["host"]
SPOOL, STORE = EXPECTED["spool"], EXPECTED["store"]
#: Times what the run of an agent that delivers a former run's batches begins to number them at.
RESUME_STEP = 1 << 40
#: What a finding is; how sure it is and what to do about it may be told in another way by a later version.
OF_A_FINDING = ("id", "state", "host", "process", "site", "cause", "pattern", "first_seen_unix_nano", "live")
OF_AN_EXPLANATION = ("opened_unix_nano", "grew_unix_nano", "points", "stacks", "persistence", "oldest_wait_ns")


def unpack(name: str, folder: Path) -> None:
    """Puts a folder of the fixtures in the place of one that is missing."""
    shutil.unpack_archive(UPGRADE / f"{name}.zip", folder)


def ask(address: str, *command: str) -> Any:
    line: list[str | Path] = [GOSONDE, *command, "--json", "--collector", address]
    return json.loads(subprocess.run(line, check=True, capture_output=True).stdout)


def without(row: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != key}


def shown(address: str, command: str, like: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a command prints, in the keys that are asked for, but for what depends on when batches arrive."""
    keys = {key for row in like for key in row}
    return [{k: v for k, v in without(row, "clock_offset_ns").items() if k in keys} for row in ask(address, command)]


def assert_same(address: str, told: Mapping[str, Any], *commands: str) -> None:
    """Commands print the rows that the version before printed, in the same order.

    It numbered cycles since counting began: what number the runtime gave them is not known.
    """
    for command in commands:
        wanted = [without(row, "clock_offset_ns") for row in told[command]]
        if command == "gc":
            wanted = [{**row, "cycle": None} for row in wanted]
        assert shown(address, command, told[command]) == wanted, command


@pytest.mark.usefixtures("ebpf")
def test_the_agent_delivers_what_the_version_before_left_in_the_spool_and_stays_who_it_was(tmp_path: Path) -> None:
    unpack("agent-state", tmp_path / "state")
    method_before = json.loads((tmp_path / "state" / "hit-costs.json").read_text())["method"]
    shutil.copy(UPGRADE / "agent.toml", tmp_path)
    program: list[str | Path] = [*other_host(tmp_path, HOST, EXPECTED["boot_id"]), GOSONDE]
    with CollectorProcess(tmp_path, "--config", str(UPGRADE / "collector.toml")) as collector:
        agent = AgentProcess(tmp_path, collector.address, "/srv/demo/*", program)
        try:
            eventually(lambda: delivers_its_own(agent.listen))
            with AgentClient(agent.listen) as client:
                status = client.status()
        finally:
            agent.kill()
        assert (status.agent_id, status.host) == (SPOOL["agent_id"], HOST)
        for run in SPOOL["runs"]:
            with AgentStream(collector.address, SPOOL["agent_id"], run["agent_epoch"], HOST) as stream:
                assert stream.acknowledged % RESUME_STEP == run["segments"]
        assert totals_of_all_runs(collector.address) == SPOOL["totals"]
        assert_same(collector.address, SPOOL["told"], "processes", "sites", "gc", "parks")
    (start,) = [entry for entry in logged(tmp_path / "agent.log") if entry["event"] == "agent started"]
    assert start["previous_end"] == "killed"
    kept = json.loads((tmp_path / "state" / "hit-costs.json").read_text())
    assert kept["method"] > method_before  # what was measured in another way was measured again
    told = {key: kept[key] for key in kept if key not in {"boot_id", "method"}}
    assert start["hit_costs"] == pytest.approx(told, abs=0.01)


def figures(text: str) -> list[str]:
    """A new version may have other words."""
    return re.findall(r"\d+", text)


def logged(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]


def kept_for_long(folder: Path) -> str:
    """The configuration of the version before, with which the collector keeps what is years old."""
    text = (UPGRADE / "collector.toml").read_text()
    assert "retention_hours = 24.0\n" in text
    (folder / "collector.toml").write_text(text.replace("retention_hours = 24.0\n", "retention_hours = 87600.0\n"))
    return str(folder / "collector.toml")


def test_the_collector_shows_what_the_version_before_stored_and_its_findings_go_on(tmp_path: Path) -> None:
    unpack("collector-data", tmp_path / "data")
    configured = ("--config", kept_for_long(tmp_path))
    (known,) = STORE["told"]["findings"]
    with CollectorProcess(tmp_path, *configured) as collector:
        assert_same(collector.address, STORE["told"], "processes", "sites", "gc", "parks")
        assert_known(collector.address, known)
        assert appended(collector.address, seconds=10, per_second=20) == STORE["acknowledged"] + 10
        eventually(lambda: finding(collector.address)["live"] == known["live"] + 200)
        assert goes_on(finding(collector.address), known)
        assert collector.stop(signal.SIGTERM) == 0
    with CollectorProcess(tmp_path, *configured) as collector:
        assert goes_on(finding(collector.address), known)


def finding(address: str) -> dict[str, Any]:
    (found,) = ask(address, "findings")
    return dict(found)


def goes_on(found: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether the analysis has judged it anew, and finds the same in the old rows and snapshots and the new rows."""
    same = [key for key in OF_A_FINDING if key != "live"]
    is_known = all(found[key] == known[key] for key in same) and found["witnesses"] == with_new_ones(found, known)
    return is_known and found["live"] == known["live"] + 200


def with_new_ones(found: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, str]:
    """The witnesses that the version before knew; those that are new in this one are silent."""
    return {**dict.fromkeys(found["witnesses"], "silent"), **known["witnesses"]}


def assert_known(address: str, known: Mapping[str, Any]) -> None:
    """The finding is the one that the version before told of, with the same history, stacks and snapshots."""
    found = finding(address)
    assert {key: found[key] for key in OF_A_FINDING} == {key: known[key] for key in OF_A_FINDING}
    assert found["witnesses"] == with_new_ones(found, known)
    before, now = STORE["told"]["explained"], ask(address, "findings", "--explain", known["id"])
    assert {key: now[key] for key in OF_AN_EXPLANATION} == {key: before[key] for key in OF_AN_EXPLANATION}
    for witness in ("memory", "pprof"):
        assert figures(now["details"][witness]) == figures(before["details"][witness])


def appended(address: str, seconds: int, per_second: int) -> int:
    """Sends, as the agent that was connected, how the leak goes on; returns the last acknowledged sequence."""
    with grpc.insecure_channel(address) as channel:
        stub = collector_pb2_grpc.CollectorServiceStub(channel)
        (process,) = stub.ListProcesses(collector_pb2.ListProcessesRequest(), timeout=PATIENCE_S).rows
        sites = stub.ListSites(collector_pb2.ListSitesRequest(), timeout=PATIENCE_S).rows
    (leak,) = [row for row in sites if row.site.function == "main.leak"]
    last = STORE["told"]["explained"]["points"][-1][0]
    with AgentStream(address, STORE["agent_id"], STORE["agent_epoch"], HOST) as stream:
        sequence = stream.acknowledged
        for second in range(1, seconds + 1):
            sequence += 1
            seen = model_pb2.Observation(taken_unix_nano=last + second * SECOND, processes=[process.process])
            counts = seen.site_counters
            counts.process.append(0)
            counts.pc.append(leak.site.pc)
            counts.created.append(leak.created + second * per_second)
            counts.exited.append(leak.exited)
            counts.baseline.append(leak.baseline)
            assert stream.observe(sequence, seen) == sequence
    return sequence


def test_the_configuration_of_the_version_before_means_the_same() -> None:
    """The files hold every key with its default, except for `collector`."""
    assert agent_config.load(UPGRADE / "agent.toml") == AgentConfig(collector=("127.0.0.1:9317",))
    assert collector_config.load(UPGRADE / "collector.toml", {}) == CollectorConfig()
