"""An agent beside a leak has it proved before growth can be judged; what is held shows by whom, and accuses nobody."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde.collector_client import CollectorClient, Finding
from gosonde_common.errors import GosondeError, NotFoundError
from gosonde_common.values.observation import Observation

from tests.agent_process import AgentProcess, delivers_its_own, eventually
from tests.collector_process import GOSONDE, CollectorProcess
from tests.go_programs import GoProgram, build, site_line

#: For what takes scans of five seconds, on a machine under load.
LONG_S = 180.0
HELD, LEAK, HEALTHY, FEW = "leak", "leaky/channel_send", "healthy/growing_pool", "reach/finalizers"


class Watched:
    """A collector and an agent that watches some programs."""

    def __init__(self, collector: CollectorProcess, agent: AgentProcess, client: CollectorClient) -> None:
        self.collector, self.agent, self.client = collector, agent, client

    def seen(self, pid: int) -> Observation:
        """What the agent says of a process now."""
        with AgentClient(self.agent.listen, timeout_seconds=10) as client:
            return client.observation(pid)

    def is_searched(self, pid: int) -> bool:
        """Whether a search of the process has decided something."""
        try:
            return any(not search.undecided for search in self.seen(pid).searches)
        except GosondeError:
            return False

    def host_of(self, pid: int) -> str:
        """Where the collector knows a process to run, once it does."""
        with self.collector.client() as client:
            eventually(lambda: bool(client.processes(pid=pid)), LONG_S)
            return client.processes(pid=pid)[0].host

    def asking(self, host: str, pid: int) -> list[str | Path]:
        """The command that asks for a proof."""
        place = ("--host", host, "--pid", str(pid), "--collector", self.collector.address)
        return [GOSONDE, "snapshot", "--kind", "proof", "--json", *place]

    def proved(self) -> list[Finding]:
        """The findings of which the proof agrees."""
        return [found for found in self.client.findings() if found.witnesses["proof"] == "agrees"]


@pytest.fixture
def watched(tmp_path: Path, ebpf: None) -> Iterator[Watched]:  # noqa: ARG001
    (tmp_path / "agent.toml").write_text("")
    folder = str(build(LEAK).parents[1])
    with CollectorProcess(tmp_path) as collector, CollectorClient(collector.address) as client:
        agent = AgentProcess(tmp_path, collector.address, f"{folder}/*")
        try:
            eventually(lambda: delivers_its_own(agent.listen))
            yield Watched(collector, agent, client)
        finally:
            agent.kill()


def test_a_leak_is_proved_before_growth_can_be_judged_and_its_cause_is_known_soon(watched: Watched) -> None:
    with GoProgram(build(LEAK), "100ms"):
        eventually(lambda: bool(watched.proved()), LONG_S)
        (finding,) = watched.proved()
        assert finding.site.line == site_line(LEAK, "ask")
        assert finding.confidence >= 0.9
        explained = watched.client.explain(finding.id)
        assert explained.proof is not None
        assert 3 <= explained.proof.proved <= explained.proof.examined <= finding.live
        assert explained.proof.retained_stack_bytes >= 2_048 * explained.proof.proved
        assert explained.proof.retained_heap_bytes > 0
        eventually(lambda: watched.client.findings()[0].cause == "channel-send", LONG_S)
        ages = watched.client.explain(finding.id).ages
        assert ages is not None
        assert sum(bar.goroutines for bar in ages.bars) + ages.not_known >= explained.proof.proved
    eventually(lambda: watched.client.findings()[0].state == "resolved", LONG_S)


def test_what_a_global_holds_is_not_proved_and_it_is_said_what_holds_it(watched: Watched) -> None:
    with GoProgram(build(HELD), "50") as program:
        eventually(lambda: watched.is_searched(program.pid), LONG_S)
        (row,) = [row for row in watched.seen(program.pid).proofs if row.held_by]
        assert (row.proved, row.probable) == (0, 0)
        assert row.held_by[0].path[0] == "main.never"
        assert row.held_by[0].path[-1].startswith("channel")
    assert watched.proved() == []


def test_a_healthy_pool_that_grows_is_searched_and_nothing_is_proved(watched: Watched) -> None:
    with GoProgram(build(HEALTHY)) as program:
        eventually(lambda: watched.is_searched(program.pid), LONG_S)
        assert all(row.proved == 0 for row in watched.seen(program.pid).proofs)
    assert watched.proved() == []


def test_who_asks_for_a_proof_is_told_what_was_proved_and_where(watched: Watched) -> None:
    """Each statement of the program has too few goroutines for a suspicion."""
    with GoProgram(build(FEW)) as program:
        host = watched.host_of(program.pid)
        done = subprocess.run(watched.asking(host, program.pid), capture_output=True, timeout=LONG_S, check=True)
        told = json.loads(done.stdout)
        assert told["undecided"] == ""
        assert 4 <= told["proved"] <= 5
        assert told["examined"] == told["proved"] + told["probable"] + told["held"]
        (site,) = [site for site in told["sites"] if site["proof"]["proved"]]
        assert (site["line"], site["proof"]["proved"]) == (site_line(FEW, "without"), told["proved"])
        assert any(holder["path"][0] == "finalizer" for site in told["sites"] for holder in site["proof"]["held_by"])
        with watched.collector.client() as client, AgentClient(watched.agent.listen) as local:
            again = client.prove(host, program.pid)
            assert again.outcome.searched_unix_nano == told["searched_unix_nano"]
            assert local.search(program.pid).proved == told["proved"]
    with watched.collector.client() as client, pytest.raises(GosondeError, match=r"has ended|did not run"):
        client.prove(host, program.pid)
    with AgentClient(watched.agent.listen) as local, pytest.raises(NotFoundError):
        local.search(1)
