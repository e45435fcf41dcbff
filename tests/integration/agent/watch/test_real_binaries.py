"""Servers that nobody here wrote: points, counts against their own go_goroutines, and their work under load."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from gosonde_agent.host.sampling_events import Instruction, online_cpus, open_breakpoint

from tests import real_binaries
from tests.integration.watching import Watch, watching
from tests.real_binaries import Http, free_port, running

pytestmark = pytest.mark.usefixtures("ebpf")

GOSONDE = Path(sys.executable).with_name("gosonde")
CONNECTIONS = 60
STILL = 4


def live(watch: Watch, pid: int) -> int:
    """Goroutines that were created less those that exited, without the runtime's own, which NumGoroutine leaves out."""
    watch.observe()
    rows = [row for (number, _, site), row in watch.sites.items() if number == pid and not is_systems(site.function)]
    return sum(row.created - row.exited for row in rows)


def is_systems(function: str) -> bool:
    return function.startswith("runtime.")


def agreed(watch: Watch, pid: int, goroutines: Callable[[], int]) -> tuple[int, int]:
    """(ours, theirs) when both stayed the same STILL times in a row: asking makes goroutines that need time to end."""
    end = time.monotonic() + 30
    seen: list[tuple[int, int]] = []
    while time.monotonic() < end:
        before, theirs, after = live(watch, pid), goroutines(), live(watch, pid)
        seen = [*seen, (after, theirs)] if before == after and {*seen} <= {(after, theirs)} else []
        if len(seen) == STILL:
            return after, theirs
        time.sleep(0.05)
    pytest.fail("the server's goroutines never stood still")


def profiled(http: Http) -> int:
    """How many goroutines the server's own profile has: the world stands still for it."""
    found = re.match(r"goroutine profile: total (\d+)", http.get("/debug/pprof/goroutine?debug=1"))
    assert found is not None
    return int(found[1])


@contextmanager
def idle_connections(port: int) -> Iterator[None]:
    """Connections that say nothing: a server has goroutines for each."""
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        yield


def check_counts(pid: int, port: int, goroutines: Callable[[], int], work: Callable[[], None]) -> None:
    """Differences of what was counted are those of what the server says, up under load and down again."""
    goroutines()
    with watching(pid=pid) as watch:
        ours, theirs = agreed(watch, pid, goroutines)
        work()
        with idle_connections(port):
            end = time.monotonic() + 20
            while goroutines() < theirs + CONNECTIONS and time.monotonic() < end:
                time.sleep(0.02)
            more_ours, more_theirs = agreed(watch, pid, goroutines)
        assert more_theirs - theirs >= CONNECTIONS
        assert more_ours - ours == more_theirs - theirs
        time.sleep(0.2)
        work()
        after_ours, after_theirs = agreed(watch, pid, goroutines)
        assert after_ours - ours == after_theirs - theirs
        assert watch.nothing_lost()
        functions = {site.function for number, _, site in watch.sites if number == pid}
        assert functions
        assert all(functions), "every go statement has a name"


def test_prometheus_is_counted_as_it_counts_itself(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "prometheus.yml").write_text("global:\n  scrape_interval: 1h\n")
    command = [str(real_binaries.prometheus()), "--config.file=prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    with running(command, port, tmp_path) as pid, Http(port) as http:

        def work() -> None:
            for number in range(200):
                answer = json.loads(http.get(f"/api/v1/query?query=vector({number})"))
                assert answer["data"]["result"][0]["value"][1] == str(number)

        check_counts(pid, port, lambda: profiled(http), work)


def test_etcd_is_counted_as_it_counts_itself(tmp_path: Path) -> None:
    port, peers = free_port(), free_port()
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
    command = [str(real_binaries.etcd()), "--data-dir=data", f"--listen-client-urls={client}"]
    command += [f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"]
    command += [f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}", "--enable-pprof"]
    with running(command, port, tmp_path) as pid, Http(port) as http:

        def work() -> None:
            for number in range(100):
                key, value = (base64.b64encode(f"{word}{number}".encode()).decode() for word in ("key", "value"))
                http.post("/v3/kv/put", json.dumps({"key": key, "value": value}))
                answer = json.loads(http.post("/v3/kv/range", json.dumps({"key": key})))
                assert answer["kvs"][0]["value"] == value

        work()
        check_counts(pid, port, lambda: profiled(http), work)


def test_nats_is_counted_as_its_profile_counts_and_loses_no_message(tmp_path: Path) -> None:
    port, profiles = free_port(), free_port()
    command = [str(real_binaries.nats()), "-a", "127.0.0.1", "-p", str(port), "--profile", str(profiles)]
    with running(command, port, tmp_path) as pid, Http(profiles) as http:
        check_counts(pid, port, lambda: profiled(http), lambda: send_and_receive(port, 2_000))


def send_and_receive(port: int, messages: int) -> None:
    """Publishes and gets back every message, in order, over the text protocol."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        stream = client.makefile("rwb")
        stream.readline()
        stream.write(b'CONNECT {"verbose":false}\r\nSUB subject 1\r\n')
        for number in range(messages):
            payload = f"message {number}".encode()
            stream.write(b"PUB subject %d\r\n%s\r\n" % (len(payload), payload))
        stream.flush()
        for number in range(messages):
            header = stream.readline()
            assert header.startswith(b"MSG subject 1"), header
            assert stream.readline() == f"message {number}\r\n".encode()


@pytest.mark.parametrize(
    "find", [real_binaries.prometheus, real_binaries.etcd, real_binaries.nats, lambda: real_binaries.BUF]
)
def test_inspect_shows_a_proof_for_every_probe(find: Callable[[], Path]) -> None:
    done = subprocess.run([GOSONDE, "inspect", "--json", str(find())], capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    assert not document["unproved"]
    assert len(document["probes"]) == 7
    assert all(probe["proof"] and probe["instruction"] for probe in document["probes"])


def test_inspect_says_that_every_source_that_the_host_allows_can_watch_a_real_binary() -> None:
    inspected, host = (
        json.loads(subprocess.run([GOSONDE, *command], capture_output=True, check=False).stdout)["sources"]
        for command in (("inspect", "--json", str(real_binaries.nats())), ("doctor", "--json"))
    )
    assert inspected == host
    assert len(inspected) == 5


def test_inspect_of_a_process_says_that_its_debug_registers_are_in_use(tmp_path: Path) -> None:
    port = free_port()
    command = [str(real_binaries.nats()), "-a", "127.0.0.1", "-p", str(port)]
    with running(command, port, tmp_path) as pid, ExitStack() as events:
        for _ in range(3):
            event = open_breakpoint(pid, online_cpus()[0], Instruction(8, 0, ("rax",)))
            events.callback(os.close, event)
        done = subprocess.run([GOSONDE, "inspect", "--json", str(pid)], capture_output=True, text=True, check=True)
    because = {source["source"]: source["because"] for source in json.loads(done.stdout)["sources"]}
    assert "has 1 free debug registers, and 2 are needed" in because["perf-breakpoints"]
    assert not because["memory"]


def test_trace_runs_buf_to_its_own_end_and_names_its_go_statements(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3";\npackage a.v1;\nmessage A {\n  string name = 1;\n}\n')
    done = subprocess.run(
        [
            GOSONDE,
            "trace",
            "--json",
            "--",
            str(real_binaries.BUF),
            "build",
            str(tmp_path),
            "-o",
            str(tmp_path / "image.bin"),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    document = json.loads(done.stdout)
    assert (tmp_path / "image.bin").stat().st_size > 0
    assert document["totals"]["created"] > 10
    assert all(site["function"] for site in document["sites"])
    assert not any(document["lost"].values())
