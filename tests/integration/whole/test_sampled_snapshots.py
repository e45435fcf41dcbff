"""Of a program with very many goroutines the agent reads a sample of the stacks, and everybody who shows it says so."""

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from tests.agent_process import AgentProcess
from tests.collector_process import GOSONDE, PATIENCE_S, CollectorProcess
from tests.go_programs import GoProgram, build
from tests.integration.collector.snapshots.test_snapshot_requests import host_of
from tests.web_page import configured

PROGRAM, MANY, STACKS, MOST = "stacks", 5_000, 8, 500
#: Rows of goroutines whose stacks were read, and of the others.
READ = "SELECT snapshot_id, unnest(goids) FROM snapshot_groups WHERE functions[1] NOT LIKE '[not in the sample%'"


def fetched(address: str) -> Any:
    with urllib.request.urlopen(f"{address}&format=json", timeout=PATIENCE_S) as answer:  # noqa: S310 - http
        return json.load(answer)


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("version", ["1.22.10", "1.27.3"])
def test_stacks_of_a_sample_stand_for_all_with_their_bounds(version: str, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text(f"max_stacks = {MOST}\n")
    page, flags = configured(tmp_path)
    program = build(PROGRAM, version)
    with (
        GoProgram(program, str(MANY), str(STACKS)) as running,
        CollectorProcess(tmp_path, *map(str, flags)) as collector,
    ):
        agent = AgentProcess(tmp_path, collector.address, str(program))
        try:
            with collector.client() as client:
                host = host_of(client, running.pid)
                first = client.take_snapshot(host, running.pid)
            place = ("--host", host, "--pid", str(running.pid), "--collector", collector.address)
            command: list[str | Path] = [GOSONDE, "snapshot", *place, "--json"]
            second = json.loads(subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=True).stdout)
        finally:
            agent.kill()
        everyone = first.goroutines
        assert everyone >= MANY
        assert "goroutines were read, chosen by chance" in first.partial
        assert second["partial"] == first.partial
        address = f"{page}/processes/{quote(host)}/{running.pid}/snapshots?id={second['snapshot_id']}"
        shown = fetched(address)
        assert (shown["goroutines"], shown["at_least"], shown["at_most"]) == (everyone, everyone, everyone)
        groups = [one for one in shown["groups"] if len(one["stack"]) > STACKS // 2]
        assert len(groups) == STACKS
        right = sum(one["at_least"] <= MANY / STACKS <= one["at_most"] for one in groups)
        assert right >= STACKS - 2, "one bound in a hundred does not hold: two of eight fail in one run of 400"
        assert any("goroutines were read" in note for note in shown["notes"])
        changed = fetched(f"{address}&from={first.snapshot_id}")
        assert (changed["total"]["stayed"], changed["total"]["before"]) == (everyone, everyone)
        assert all(not row["stack"] and row["is_unread"] for row in changed["stacks"])
        assert any("by state and go statement" in note for note in changed["notes"])
    (file,) = tmp_path.rglob("*.duckdb")
    with duckdb.connect(str(file), read_only=True) as store:
        read: dict[str, set[int]] = {}
        for snapshot, goid in store.sql(READ).fetchall():
            read.setdefault(snapshot, set()).add(goid)
    one, other = read.values()
    assert one == other, "the second snapshot has the stacks of the same goroutines"
    assert MOST / 4 < len(one) <= MOST * 2
