"""Every command on a process, a host and a collector that are full of controls: none of them reaches the terminal."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde.collector_client import CollectorClient
from gosonde_pb.v1 import model_pb2

from tests import go_programs
from tests.collector_process import GOSONDE, PATIENCE_S, AgentStream, CollectorProcess, eventually, leak
from tests.hostile_text import SENDABLE, unshown

#: One component of a path has 255 bytes at most.
FOLDER = SENDABLE.replace("/", "")[:100].encode()[:200].decode(errors="ignore") + "\u202e\u2028\u200b[bold]"
QUERIES = ("findings", "processes", "sites", "gc", "parks")
HOST = f"web-1{SENDABLE}"


def hostile(seen: model_pb2.Observation) -> model_pb2.Observation:
    """The same, each of its strings full of controls."""
    process = seen.processes[0]
    process.exe = process.go_version = SENDABLE
    refused = seen.processes.add(exe=SENDABLE, level=model_pb2.LEVEL_REFUSED, refusal=SENDABLE)
    refused.key.CopyFrom(process.key)
    refused.key.pid = refused.key.start_ticks = 4712
    for names in (seen.site_names.function, seen.site_names.file, seen.site_names.start_function):
        names[:] = [f"{SENDABLE}{number}" for number, _ in enumerate(names)]
    start = seen.taken_unix_nano
    seen.gc_cycles.MergeFrom(
        model_pb2.GcCycles(process=[0], ordinal=[0], start_unix_nano=[start], end_unix_nano=[start + 9])
    )
    seen.pauses.MergeFrom(
        model_pb2.Pauses(process=[0], ordinal=[0], start_unix_nano=[start], duration_ns=[9], reason=[SENDABLE])
    )
    seen.park_counters.MergeFrom(
        model_pb2.ParkCounters(
            process=[0], wait_reason=[SENDABLE], parked=[3], parks=[9], parks_low=[5], parks_high=[20], windows=[3],
            sampled_ns=[1], covered_ns=[2],
        )
    )  # fmt: skip
    return seen


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """Knows one process with a leak, and whatever a stranger can say of it."""
    with CollectorProcess(tmp_path_factory.mktemp("collector")) as running:
        with AgentStream(running.address, host=HOST) as agent, running.client() as client:
            for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
                agent.observe(sequence, hostile(seen))
            assert eventually(client, "opened", live=2_500)
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


def said(*arguments: str | Path) -> tuple[str, str]:
    """What the command prints to both streams; neither holds a control but the line feeds of its own lines."""
    done = subprocess.run([GOSONDE, *arguments], capture_output=True, timeout=PATIENCE_S, check=False)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert not unshown(out.replace("\n", "").replace("\t", "")), arguments
    assert not unshown(err.replace("\n", "").replace("\t", "")), arguments
    return out, err


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
    assert {row["host"] for row in rows} == {HOST}
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


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_inspect_shows_the_path_of_a_file_without_controls(program: subprocess.Popen[bytes], flags: list[str]) -> None:
    out, err = said("inspect", str(program.pid), *flags)
    assert not err
    assert FOLDER in json.loads(out)["exe"] if flags else "\\x1b[2J" in out


@pytest.mark.parametrize("flags", [[], ["--each"], ["--json"]])
def test_goroutines_are_shown_without_controls(program: subprocess.Popen[bytes], flags: list[str]) -> None:
    out, err = said("goroutines", str(program.pid), *flags)
    assert "main.main" in out
    assert not err


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_trace_shows_the_path_of_a_process_without_controls(program: subprocess.Popen[bytes], flags: list[str]) -> None:
    out, _ = said("trace", "--pid", str(program.pid), "--duration", "1", *flags)
    assert FOLDER in json.loads(out)["process"]["exe"] if flags else "\\x1b[2J" in out


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
