"""The commands that ask a collector: for people a table, for programs the documents of docs/json.md."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gosonde_pb.v1 import model_pb2

from tests.collector_process import GOSONDE, PATIENCE_S, AgentStream, CollectorProcess, eventually, leak

QUERIES = ("findings", "processes", "sites", "gc", "parks")
#: Columns: the second row has no upper bound.
PARKS = model_pb2.ParkCounters(
    process=[0, 0, 0],
    wait_reason=["select", "chan receive", "sleep"],
    parked=[300, 9_000, 2],
    parks=[12_300, 350_000, 80],
    parks_low=[12_000, 300_000, 5],
    parks_high=[12_750, 0, 410],
    windows=[3, 3, 3],
    sampled_ns=[150_000_000] * 3,
    covered_ns=[6_150_000_000] * 3,
)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """Knows one process with a leak, a GC cycle and parks."""
    with CollectorProcess(tmp_path_factory.mktemp("collector")) as running:
        with AgentStream(running.address) as agent, running.client() as client:
            for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
                start = seen.taken_unix_nano
                seen.gc_cycles.MergeFrom(
                    model_pb2.GcCycles(
                        process=[0], ordinal=[0], start_unix_nano=[start], end_unix_nano=[start + 9], number=[9]
                    )
                )
                seen.pauses.MergeFrom(
                    model_pb2.Pauses(
                        process=[0], ordinal=[0], start_unix_nano=[start], duration_ns=[2_500_000], reason=["GC"]
                    )
                )
                seen.park_counters.MergeFrom(PARKS)
                agent.observe(sequence, seen)
            assert eventually(client, "opened", live=2_500)
        yield running


def ask(collector: CollectorProcess, *arguments: str) -> str:
    done = subprocess.run(
        [GOSONDE, *arguments, "--collector", collector.address],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return done.stdout


def document(collector: CollectorProcess, *arguments: str) -> list[dict[str, Any]]:
    parsed = json.loads(ask(collector, *arguments, "--json"))
    assert isinstance(parsed, list)
    return parsed


def test_findings_as_json(collector: CollectorProcess) -> None:
    (finding,) = document(collector, "findings")
    assert list(finding) == [
        "id",
        "state",
        "confidence",
        "cause",
        "remedy",
        "host",
        "process",
        "site",
        "live",
        "growth_per_second",
        "first_seen_unix_nano",
        "witnesses",
        "pattern",
        "restarts",
        "analysis_age_ns",
        "waits_in",
        "works",
        "part_of",
        "age_ns",
        "stale",
        "muted",
        "numbers",
        "timers",
        "container",
        "labels",
        "is_estimated",
        "hosts",
    ]
    assert finding["process"] == {"pid": 4711, "exe": "/srv/app"}
    assert finding["site"] == {"function": "main.site_42", "file": "main.go", "line": 42}
    assert finding["live"] == 2_500
    assert finding["witnesses"] == {
        "events": "agrees",
        "memory": "silent",
        "pprof": "silent",
        "proof": "silent",
        "gctrace": "silent",
    }
    (counted,) = finding["numbers"].items()
    assert counted[0] == "events"
    assert isinstance(counted[1].pop("at_unix_nano"), int)
    assert counted[1] == {
        "what": "live",
        "shown_low": None,
        "shown_high": None,
        "counted_low": 2_500,
        "counted_high": 2_500,
    }


def test_processes_as_json(collector: CollectorProcess) -> None:
    (process,) = document(collector, "processes")
    assert isinstance(process.pop("started_unix_nano"), int)
    assert isinstance(process.pop("clock_offset_ns"), int)
    assert isinstance(process.pop("age_ns"), int)
    assert isinstance(process.pop("stale"), bool)
    assert process == {
        "host": "web-1",
        "pid": 4711,
        "exe": "/srv/app",
        "go_version": "go1.24.11",
        "build_id": "build",
        "level": "full",
        "created": 52_500,
        "exited": 49_997,
        "live": 2_503,
        "overhead_percent": 0.0,
        "overhead_core_percent": 0.0,
        "precise": True,
        "steps": [],
        "sums": 0,
        "no_probes_because": "",
        "source": "ebpf",
        "container": None,
        "runtime_figures": None,
    }


def test_sites_as_json(collector: CollectorProcess) -> None:
    first, second = document(collector, "sites")
    rates = first.pop("per_second")
    assert (rates["created_low"], rates["exited"]) == (rates["created"], 0.0)
    assert rates["created"] > 0
    assert first == {
        "host": "web-1",
        "process": {"pid": 4711, "exe": "/srv/app"},
        "function": "main.site_42",
        "file": "main.go",
        "line": 42,
        "created": 2_500,
        "exited": 0,
        "live": 2_500,
    }
    assert second["live"] == 3


def test_gc_as_json(collector: CollectorProcess) -> None:
    (cycle,) = document(collector, "gc")
    start = cycle.pop("start_unix_nano")
    assert cycle == {
        "host": "web-1",
        "process": {"pid": 4711, "exe": "/srv/app"},
        "cycle": 9,
        "pauses": [{"start_unix_nano": start, "duration_ns": 2_500_000, "reason": "GC"}],
        "heap_before_bytes": None,
        "heap_after_bytes": None,
        "heap_marked_bytes": None,
        "heap_goal_bytes": None,
    }


def test_parks_as_json(collector: CollectorProcess) -> None:
    first, second, third = document(collector, "parks")
    assert second == {
        "host": "web-1",
        "process": {"pid": 4711, "exe": "/srv/app"},
        "wait_reason": "select",
        "parks": 12_300,
        "parks_low": 12_000,
        "parks_high": 12_750,
        "windows": 3,
        "sampled_ns": 150_000_000,
        "covered_ns": 6_150_000_000,
    }
    assert (first["wait_reason"], first["parks_low"], first["parks_high"]) == ("chan receive", 300_000, None)
    assert third["wait_reason"] == "sleep"


@pytest.mark.parametrize("query", QUERIES)
def test_a_process_is_named_by_pid_by_name_and_by_host(collector: CollectorProcess, query: str) -> None:
    assert document(collector, query, "--host", "web-1", "--pid", "4711")
    by_pid, by_name = document(collector, query, "4711"), document(collector, query, "app")
    assert len(by_pid) == len(by_name) > 0


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(
    ("wrong", "known"),
    [
        (("--host", "web-2"), "no process of a host web-2 is known; known hosts: web-1"),
        (("--pid", "1"), "no process 1 is known; known processes: 4711 app"),
        (("orders",), "no process orders is known; known processes: 4711 app"),
    ],
)
def test_a_host_pid_or_name_that_is_not_known_is_an_error_that_names_what_is(
    collector: CollectorProcess, query: str, wrong: tuple[str, ...], known: str
) -> None:
    command: list[str | Path] = [GOSONDE, query, *wrong, "--collector", collector.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert known in done.stderr


def test_people_read_where_how_many_how_fast_and_why(collector: CollectorProcess) -> None:
    text = ask(collector, "findings")
    for words in ("OPENED", "main.site_42", "main.go:42", "2,500 live, +50", "/srv/app", "✓ events", "· pprof", "→ "):
        assert words in text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("processes", ("web-1", "4711", "/srv/app", "go1.24.11", "52,500")),
        ("sites", ("main.site_42", "main.go:42", "2,500")),
        ("gc", ("2.5 ms", "GC 2.5 ms")),
        ("parks", ("12,300 ± 4 %", "at least 300,000", "5 to 410", "chan receive", "6.15 s", "/srv/app")),
    ],
)
def test_people_read_tables(collector: CollectorProcess, query: str, words: tuple[str, ...]) -> None:
    text = ask(collector, query, "--wide")
    for word in words:
        assert word in text


def test_what_no_agent_says_anything_of_any_more_is_marked_as_stale(collector: CollectorProcess) -> None:
    end = time.monotonic() + PATIENCE_S
    while not (process := document(collector, "processes")[0])["stale"]:
        assert time.monotonic() < end
        time.sleep(0.5)
    assert process["age_ns"] > 15_000_000_000
    text = ask(collector, "processes")
    assert re.search(r"AGE.* s !.*! stale: nothing has come since then", text, re.DOTALL)
    assert re.search(r"host web-1 has sent nothing for .* s \(1 process\)", ask(collector, "sites", "--wide"))


@pytest.mark.parametrize("query", [*QUERIES, "push"])
def test_a_collector_that_is_not_there_is_said_with_what_to_do(tmp_path: Path, query: str) -> None:
    (tmp_path / "profile").write_bytes(b"goroutine 1 [running]:\n")
    push = ("pprof", "push", str(tmp_path / "profile"), "--host", "h", "--pid", "1")
    command = [GOSONDE, *(push if query == "push" else (query,)), "--collector", f"unix:{tmp_path}/none.sock"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert f"the collector at unix:{tmp_path}/none.sock does not answer" in done.stderr
    assert "--collector" in done.stderr
    assert "Traceback" not in done.stderr
