"""Every command on a process, a host and a collector that are full of controls: none of them reaches the terminal."""

import glob
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde.collector_client import CollectorClient

from tests import go_programs
from tests.agent_process import AgentProcess, eventually
from tests.collector_process import CollectorProcess
from tests.hostile_text import SENDABLE, unshown
from tests.integration.whole.foreign_processes import FOLDER, HOST, knowing_collector, said

QUERIES = ("findings", "processes", "sites", "gc", "parks", "audit")


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with knowing_collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """A Go program whose path is full of controls."""
    folder = tmp_path_factory.mktemp("foreign") / FOLDER
    folder.mkdir()
    path = shutil.copy(go_programs.build("leak"), folder / "leak")
    with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        yield running
        running.kill()


@pytest.mark.parametrize("query", QUERIES)
def test_a_table_of_what_strangers_say_has_no_control(collector: CollectorProcess, query: str) -> None:
    out, _ = said(query, "--collector", collector.address)
    assert "\\x1b[2J" in out


@pytest.mark.parametrize("query", QUERIES)
def test_a_document_of_what_strangers_say_has_no_control_and_gives_it_back(
    collector: CollectorProcess, query: str
) -> None:
    out, _ = said(query, "--collector", collector.address, "--json")
    rows = json.loads(out)
    assert {row["host"] for row in rows if row["host"]} == {HOST}  # what was done to the collector itself has none
    assert SENDABLE in {row["exe"] if query == "processes" else row["process"]["exe"] for row in rows}


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_an_explanation_has_no_control(collector: CollectorProcess, flags: list[str]) -> None:
    with CollectorClient(collector.address) as client:
        (finding,) = client.findings()
    out, _ = said("findings", "--explain", finding.id, "--collector", collector.address, *flags)
    assert "leak" in out or "live" in out


@pytest.mark.parametrize(
    "command",
    [
        ["snapshot", "--host", SENDABLE, "--pid", "4711"],
        ["pprof", "push", "{profile}", "--host", SENDABLE, "--pid", "4711"],
        ["pprof", "push", "{missing}", "--host", SENDABLE, "--pid", "4711"],
        ["gctrace", "push", "{profile}", "--host", SENDABLE, "--pid", "4711"],
        ["gctrace", "push", "{missing}", "--host", SENDABLE, "--pid", "4711"],
        ["findings", "--explain", SENDABLE],
    ],
)
def test_a_refusal_has_no_control(collector: CollectorProcess, command: list[str], tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text(f"gc 1 {SENDABLE}\n")
    paths = {"profile": profile, "missing": tmp_path / SENDABLE.replace("/", "")[:60]}
    _, err = said(*(part.format(**paths) if part[0] == "{" else part for part in command), "--collector",
                  collector.address)  # fmt: skip
    assert err.startswith("gosonde: ")


def test_a_log_of_what_strangers_say_has_no_control(collector: CollectorProcess) -> None:
    said("snapshot", "--host", SENDABLE, "--pid", "4711", "--collector", collector.address)
    lines = collector.log.read_text().splitlines()
    assert all(json.loads(line) for line in lines)
    assert HOST in {json.loads(line).get("host") for line in lines}
    assert not any(map(unshown, lines))


@pytest.mark.parametrize("flags", [["--wide"], ["--json"]])
def test_inspect_shows_the_path_of_a_file_without_controls(program: subprocess.Popen[bytes], flags: list[str]) -> None:
    out, err = said("inspect", str(program.pid), *flags)
    assert not err
    assert FOLDER in json.loads(out)["exe"] if "--json" in flags else "\\x1b[2J" in out


@pytest.mark.parametrize("flags", [[], ["--each"], ["--json"]])
def test_goroutines_are_shown_without_controls(program: subprocess.Popen[bytes], flags: list[str]) -> None:
    out, err = said("goroutines", str(program.pid), *flags)
    assert "main.main" in out
    assert not err


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_leaks_of_a_process_whose_path_has_controls_has_none(
    program: subprocess.Popen[bytes], flags: list[str]
) -> None:
    out, err = said("leaks", str(program.pid), *flags)
    assert not err
    assert FOLDER in json.loads(out)["process"]["exe"] if flags else "main.never" in out


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("flags", [["--wide"], ["--json"]])
def test_trace_shows_the_path_of_a_process_without_controls(program: subprocess.Popen[bytes], flags: list[str]) -> None:
    out, _ = said("trace", "--pid", str(program.pid), "--duration", "1", *flags)
    assert FOLDER in json.loads(out)["process"]["exe"] if "--json" in flags else "\\x1b[2J" in out


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_gc_of_a_process_whose_path_has_controls_has_none(program: subprocess.Popen[bytes], flags: list[str]) -> None:
    out, err = said("gc", "--here", str(program.pid), *flags)
    assert not err
    assert json.loads(out)["gc_percent"] == 100 if flags else "GOGC 100" in out


@pytest.mark.usefixtures("ebpf")
def test_probes_show_the_paths_of_an_agents_processes_without_controls(
    program: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "4000")
    (tmp_path / "agent.toml").touch()
    agent = AgentProcess(tmp_path, "", glob.escape(str(Path(f"/proc/{program.pid}/exe").readlink())))
    try:
        eventually(lambda: agent.counted(program.pid) >= 0)
        out, _ = said("probes", "off", "--agent", agent.listen)
        assert "\\x1b[2J" in out
        out, _ = said("probes", "on", "--agent", agent.listen, "--json")
        assert [FOLDER in row["exe"] for row in json.loads(out)] == [True]
    finally:
        agent.kill()
    assert not any(map(unshown, agent.log.read_text().splitlines()))


@pytest.mark.parametrize("command", [["inspect"], ["trace", "--exe"], ["goroutines", "1", "--pprof"]])
def test_an_error_shows_a_path_without_controls(command: list[str], tmp_path: Path) -> None:
    _, err = said(*command, tmp_path / FOLDER / "none")
    assert err.startswith("gosonde: ")


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_doctor_shows_an_address_without_controls(flags: list[str]) -> None:
    said("doctor", "--collector", f"unix:/{SENDABLE[:40]}", *flags)


def test_probes_show_an_address_without_controls() -> None:
    _, err = said("probes", "off", "--agent", f"unix:/{SENDABLE[:40]}")
    assert err.startswith("gosonde: ")
