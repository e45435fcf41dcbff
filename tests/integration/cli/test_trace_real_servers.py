"""`gosonde trace` on servers that nobody here wrote, held against their own goroutine profiles."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests import real_servers as servers
from tests.integration.agent.watch.test_real_binaries import (
    CONNECTIONS,
    GOSONDE,
    idle_connections,
    is_systems,
    profiled,
)
from tests.real_binaries import Http, running

pytestmark = pytest.mark.usefixtures("ebpf")


#: On the creation and the exit of a goroutine, on a stop-the-world pause, its end, and mark termination.
PROBES = 5

#: (command, port that it listens on, port of its pprof), in a folder.
Server = Callable[[Path], tuple[Sequence[str], int, int]]


@pytest.mark.parametrize("server", [servers.prometheus, servers.etcd, servers.nats])
def test_trace_counts_what_a_server_counts_itself(server: Server, tmp_path: Path) -> None:
    command, port, own_port = server(tmp_path)
    with running(command, port, tmp_path) as pid, ExitStack() as stack:
        before = steady(lambda: asked(own_port))
        traced = [str(GOSONDE), "trace", "--json", "--pid", str(pid), "--duration", "5m"]
        trace = stack.enter_context(subprocess.Popen(traced, stdout=subprocess.PIPE, text=True))
        stack.callback(trace.kill)
        wait_for_probes(trace)
        stack.enter_context(idle_connections(port))
        for _ in range(CONNECTIONS):
            socket.create_connection(("127.0.0.1", port)).close()
        after = steady(lambda: asked(own_port), at_least=before + CONNECTIONS)
        wait_for_closed(pid)
        time.sleep(1)  # the goroutine that closed last is to end
        trace.send_signal(signal.SIGINT)
        document = json.loads(trace.communicate()[0])
        assert asked(own_port) == after
    assert not any(document["lost"].values())
    assert all(site["function"] for site in document["sites"])
    ours = [site for site in document["sites"] if not is_systems(site["function"])]
    assert sum(site["created"] for site in ours) >= 2 * CONNECTIONS
    assert sum(site["created"] - site["exited"] for site in ours) == after - before
    assert document["totals"]["baseline"] > 0


def asked(port: int) -> int:
    """What the server's own profile counts; no connection stays open, so none ends between here and the probes."""
    with Http(port) as http:
        return profiled(http)


def wait_for_closed(pid: int) -> None:
    """Waits until the process has closed each connection whose other end is closed."""
    end, server = time.monotonic() + 60, psutil.Process(pid)
    while any(connection.status == psutil.CONN_CLOSE_WAIT for connection in server.net_connections("tcp")):
        assert time.monotonic() < end
        time.sleep(0.05)


def steady(count: Callable[[], int], at_least: int = 0) -> int:
    """A number that does not change for a while."""
    end, last = time.monotonic() + 60, [-1, -2, -3]
    while time.monotonic() < end:
        last = [*last[1:], count()]
        if len(set(last)) == 1 and last[0] >= at_least:
            return last[0]
        time.sleep(0.3)
    pytest.fail(f"the server's goroutines never stood still: {last}")


def wait_for_probes(trace: "subprocess.Popen[str]") -> None:
    """Waits until every program of the trace is linked to its probe."""
    while linked_probes(trace.pid) < PROBES:
        assert trace.poll() is None
        time.sleep(0.05)


def linked_probes(pid: int) -> int:
    count = 0
    for descriptor in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += re.search(r"^link_type:\s+(perf|uprobe_multi)", descriptor.read_text(), re.MULTILINE) is not None
    return count
