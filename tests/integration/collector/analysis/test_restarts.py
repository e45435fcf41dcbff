"""A leak that comes back when its process is started again is the same finding, and watchers hear of nothing twice."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from gosonde.collector_client import CollectorClient, Finding
from gosonde_common.errors import UnavailableError

from tests.collector_process import PATIENCE_S, SECOND, AgentStream, CollectorProcess, observation

RUN_S = 60
PER_SECOND = 10


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path) as running:
        yield running


class Watcher:
    """Everything that WatchFindings says, in order."""

    def __init__(self, address: str) -> None:
        self.heard: list[Finding] = []
        self._client = CollectorClient(address)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with self._client as watching, suppress(UnavailableError):  # the collector ends first
            for finding in watching.watch():
                self.heard.append(finding)

    def until(self, holds: Callable[[Finding], bool]) -> Finding:
        end = time.monotonic() + PATIENCE_S
        while not self.heard or not holds(self.heard[-1]):
            assert time.monotonic() < end, self.heard
            time.sleep(0.1)
        return self.heard[-1]


def run(agent: AgentStream, sequence: int, pid: int, began_s_ago: int) -> int:
    """A process that leaks for RUN_S seconds and ends; returns the next sequence."""
    began = time.time_ns() - began_s_ago * SECOND
    for second in range(1, RUN_S + 1):
        taken = began + second * SECOND
        seen = observation([(42, PER_SECOND * second, 0)], taken_unix_nano=taken, pid=pid, started_s_ago=began_s_ago)
        # However long the sending takes, the process began once.
        seen.processes[0].started_unix_nano = seen.processes[0].counted_since_unix_nano = began
        agent.observe(sequence, seen)
        sequence += 1
    return sequence


def end(agent: AgentStream, sequence: int, pid: int, began_s_ago: int) -> int:
    ended = time.time_ns() - (began_s_ago - RUN_S - 1) * SECOND
    seen = observation([], taken_unix_nano=ended, pid=pid, started_s_ago=began_s_ago)
    seen.processes[0].ended_unix_nano = ended
    agent.observe(sequence, seen)
    return sequence + 1


def test_a_restart_of_the_process_continues_the_finding(collector: CollectorProcess) -> None:
    watcher = Watcher(collector.address)
    with AgentStream(collector.address) as agent:
        sequence = run(agent, 1, pid=100, began_s_ago=300)
        first = watcher.until(lambda finding: finding.state == "opened")
        sequence = end(agent, sequence, pid=100, began_s_ago=300)
        watcher.until(lambda finding: finding.state == "resolved")
        run(agent, sequence, pid=101, began_s_ago=150)
        again = watcher.until(lambda finding: finding.restarts == 1)
    assert (again.id, again.process.pid, again.state) == (first.id, 101, "growing")
    assert again.first_seen_unix_nano == first.first_seen_unix_nano
    reported = [(finding.process.pid, finding.state, tuple(finding.witnesses.items())) for finding in watcher.heard]
    assert len(reported) == len(set(reported))
    with CollectorClient(collector.address) as client:
        assert [finding.id for finding in client.findings()] == [first.id]
