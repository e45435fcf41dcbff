"""Who switches probes, reloads, asks for a snapshot or reads goroutines is known to the collector, and by whom."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gosonde.collector_client import CollectorClient

from tests.agent_process import AgentProcess, delivers_its_own, eventually
from tests.collector_process import GOSONDE, CollectorProcess
from tests.go_programs import GoProgram, build
from tests.integration.whole.foreign_processes import FOLDER, said

NOBODY = 65_534
#: On a machine under load.
LONG_S = 180.0


class Audited:
    """A collector, an agent, and a program whose name is full of controls."""

    def __init__(self, folder: Path, collector: CollectorProcess, agent: AgentProcess, pid: int) -> None:
        self.folder, self.collector, self.agent, self.pid = folder, collector, agent, pid

    def acts(self, *arguments: str) -> list[dict[str, Any]]:
        """What `gosonde audit --json` prints."""
        out, _ = said("audit", "--json", "--limit", "10000", *arguments, "--collector", self.collector.address)
        rows: list[dict[str, Any]] = json.loads(out)
        return rows

    def the(self, act: str, fits: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The newest such act, as soon as it is stored."""
        found: list[dict[str, Any]] = []

        def stored() -> bool:
            found[:] = [row for row in self.acts() if row["act"] == act and fits(row)]
            return bool(found)

        eventually(stored, LONG_S)
        return found[0]


@pytest.fixture(scope="module")
def audited(ebpf: None) -> Iterator[Audited]:  # noqa: ARG001
    """In a folder that everyone may enter."""
    with tempfile.TemporaryDirectory(prefix="gosonde-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = folder / FOLDER / "leak"
        path.parent.mkdir()
        shutil.copy(build("leak"), path)
        (folder / "agent.toml").write_text("max_target_overhead = 5.0\n")
        with CollectorProcess(folder) as collector, GoProgram(path) as program:
            agent = AgentProcess(folder, collector.address, f"{folder}/*")
            try:
                eventually(lambda: delivers_its_own(agent.listen), LONG_S)
                yield Audited(folder, collector, agent, program.pid)
            finally:
                agent.kill()


def test_the_start_of_the_agent_and_what_it_watches_are_its_own_acts(audited: Audited) -> None:
    started = audited.the("agent-started")
    assert (started["actor"], started["who"], started["process"]["pid"]) == ("agent", "", 0)
    assert started["detail"].endswith("the run before: none")
    began = audited.the("watch-began")
    assert began["process"]["pid"] == audited.pid
    assert FOLDER in began["process"]["exe"]


def test_another_user_who_switches_probes_off_and_on_is_known_by_uid_and_pid(audited: Audited) -> None:
    command: list[str | Path] = [GOSONDE, "probes", "off", "--pid", str(audited.pid), "--agent", audited.agent.listen]
    switching = subprocess.Popen(
        command, user=NOBODY, group=NOBODY, extra_groups=[os.getegid()], stdout=subprocess.DEVNULL
    )
    assert switching.wait(LONG_S) == 0
    off = audited.the("probes-off")
    assert (off["actor"], off["who"]) == ("local", f"uid {NOBODY} pid {switching.pid}")
    assert off["process"]["pid"] == audited.pid
    assert 0 <= off["age_ns"] < LONG_S * 1e9
    changed = audited.the("level-changed", lambda row: "-> off: operator" in str(row["detail"]))
    assert changed["actor"] == "agent"
    said("probes", "on", "--agent", audited.agent.listen)
    on = audited.the("probes-on")
    assert on["who"].startswith(f"uid {os.geteuid()} pid ")
    assert on["process"]["pid"] == 0


def test_a_reload_names_what_changed_and_one_that_is_refused_the_reason(audited: Audited) -> None:
    config = audited.folder / "agent.toml"
    before = config.read_text()
    config.write_text(before.replace("5.0", "4.0"))
    audited.agent.process.send_signal(signal.SIGHUP)
    reloaded = audited.the("configuration-reloaded")
    assert (reloaded["actor"], reloaded["who"]) == ("signal", "SIGHUP")
    assert reloaded["detail"] == "changed: max_target_overhead"
    config.write_text("max_target_overhead = true\n")
    audited.agent.process.send_signal(signal.SIGHUP)
    assert "max_target_overhead" in audited.the("reload-refused")["detail"]
    config.write_text(before)


def test_a_snapshot_that_is_asked_for_is_the_collectors_act_on_the_host(audited: Audited) -> None:
    with CollectorClient(audited.collector.address) as client:
        eventually(lambda: bool(client.processes(pid=audited.pid)), LONG_S)
        host = client.processes(pid=audited.pid)[0].host
        client.take_snapshot(host, audited.pid)
    taken = audited.the("snapshot-taken", lambda row: str(row["detail"]).startswith("memory: "))
    assert (taken["actor"], taken["who"]) == ("collector", audited.collector.address)
    assert taken["process"]["pid"] == audited.pid


def test_no_control_of_the_programs_name_reaches_the_terminal(audited: Audited) -> None:
    audited.the("watch-began")
    out, _ = said("audit", "--wide", "--collector", audited.collector.address)
    assert "watch-began" in out
    assert "\\x1b" in out


def test_acts_before_a_kill_of_the_agent_are_stored_once_and_the_next_run_says_how_it_ended(audited: Audited) -> None:
    audited.agent.kill()
    again = AgentProcess(audited.folder, audited.collector.address, str(audited.folder / "nothing"))
    try:
        audited.the("agent-started", lambda row: str(row["detail"]).endswith("the run before: killed"))
    finally:
        again.kill()
    rows = audited.acts()
    assert len({(row["host"], row["run"], row["ordinal"]) for row in rows}) == len(rows)
    assert len({row["run"] for row in rows if row["act"] == "agent-started"}) == 2
