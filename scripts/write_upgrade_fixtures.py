"""Writes tests/fixtures/upgrade: what one version of gosonde keeps on disk, and what its commands tell of it.

Runs the `gosonde` of that version, of which CLONE is a clone with `scripts/setup` done, on the real test programs. As
root:

    .venv/bin/python scripts/write_upgrade_fixtures.py CLONE

Hosts, paths and boots in the files are made up: everything runs in namespaces with a host name, a /srv and a boot id of
their own.
"""

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import grpc  # noqa: E402
from gosonde.agent_client import AgentClient  # noqa: E402
from gosonde_common.errors import GosondeError  # noqa: E402

from tests import go_programs  # noqa: E402
from tests.agent_process import delivers_its_own, eventually  # noqa: E402
from tests.collector_process import AgentStream, open_channel, totals_of_all_runs  # noqa: E402
from tests.go_programs import GoProgram  # noqa: E402
from tests.other_host import other_host  # noqa: E402
from tests.paths import FIXTURES  # noqa: E402

OUT = FIXTURES / "upgrade"
HOST, BOOT_ID = "web-1", "00000000-0000-4000-8000-000000000001"
PROGRAMS = Path("/srv/demo")
#: Goroutines that the program `leak` leaks each second.
RATE = 20
PATIENCE_S = 180.0
#: In this environment variable the script's second half learns that it is in the namespaces.
INSIDE = "GOSONDE_UPGRADE_FIXTURES"


@dataclass(frozen=True)
class Old:
    """The version that writes. `work`: a folder for what it keeps and for its sockets."""

    gosonde: str
    work: Path

    @property
    def collector_address(self) -> str:
        """Where its collector listens."""
        return f"unix:{self.work}/collector.sock"

    @property
    def agent_address(self) -> str:
        """Where its agent answers."""
        return f"unix:{self.work}/agent.sock"

    @contextmanager
    def agent(self, state: str, collector: str, end: signal.Signals = signal.SIGTERM) -> Iterator[None]:
        """Runs its agent on a state folder, and ends it with a signal."""
        config = self.work / "agent.toml"
        config.write_text("interval_seconds = 0.5\npark = true\nmax_target_overhead = 100\n")
        command = ["agent", "--config", config, "--state", self.work / state, "--exe", f"{PROGRAMS}/*"]
        with self._running([*command, "--listen", self.agent_address, "--collector", collector], end):
            yield

    @contextmanager
    def collector(self, data: str) -> Iterator[None]:
        """Runs its collector on a data folder."""
        with self._running(["collector", "--data", self.work / data, "--listen", self.collector_address]):
            with open_channel(self.collector_address, None) as channel:
                grpc.channel_ready_future(channel).result(timeout=PATIENCE_S)
            yield

    @contextmanager
    def _running(self, command: list[Any], end: signal.Signals = signal.SIGTERM) -> Iterator[None]:
        process = subprocess.Popen([self.gosonde, *command])
        try:
            yield
        finally:
            process.send_signal(end)
            process.wait(timeout=PATIENCE_S)

    def ask(self, *command: str) -> str:
        """The JSON document of a command to its collector."""
        line = [self.gosonde, *command, "--json", "--collector", self.collector_address]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout

    def shown(self, pid: int, function: str) -> tuple[int, int]:
        """(created, exited) of a function's `go` statements, as its agent tells; (-1, -1) while it does not."""
        try:
            with AgentClient(self.agent_address, timeout_seconds=5) as client:
                rows = [row for row in client.observation(pid).site_counts if row.site.function == function]
        except GosondeError:
            return -1, -1
        return sum(row.created for row in rows), sum(row.exited for row in rows)


def main() -> int:
    """Enters the namespaces, and writes all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, help="of the version that writes")
    clone = parser.parse_args().clone.resolve()
    if INSIDE not in os.environ:
        with tempfile.TemporaryDirectory() as folder:
            prefix = other_host(Path(folder), HOST, BOOT_ID, own=("/srv",))
            for name in ("parked", "leak"):
                go_programs.build(name, flags=("-trimpath",))
            return subprocess.call([*prefix, sys.executable, *sys.argv], env=dict(os.environ) | {INSIDE: "1"})
    PROGRAMS.mkdir()
    OUT.mkdir(exist_ok=True)
    for name in ("parked", "leak"):
        shutil.copy(go_programs.build(name, flags=("-trimpath",)), PROGRAMS / name)
    with tempfile.TemporaryDirectory(dir="/srv") as work:
        old = Old(str(clone / ".venv" / "bin" / "gosonde"), Path(work))
        expected = {"commit": commit(clone), "host": HOST, "boot_id": BOOT_ID} | {"spool": spooled(old)}
        expected["store"] = stored(old)
    for name in ("agent.toml", "collector.toml"):
        shutil.copy(clone / "systemd" / name, OUT / name)
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")
    return 0


def spooled(old: Old) -> dict[str, Any]:
    """The state folder of an agent that reached no collector: one run was stopped, the next one was killed."""
    nobody = "127.0.0.1:9"
    with started("parked", "3") as short, started("parked", "5") as long:
        with old.agent("state", nobody):
            works(old, short, more=30, fewer=10)
            works(old, long, more=40, fewer=15)
            short.kill()
            time.sleep(2)
        with old.agent("state", nobody, signal.SIGKILL):
            works(old, long, more=25, fewer=20)
    keep(old.work / "state", "agent-state")
    shutil.copytree(old.work / "state", old.work / "delivered")
    with closing(sqlite3.connect(old.work / "state" / "spool.db")) as spool:
        runs = "SELECT run, agent_epoch, count(*) FROM segments JOIN runs USING (run) GROUP BY run ORDER BY run"
        left = [{"run": run, "agent_epoch": epoch, "segments": n} for run, epoch, n in spool.execute(runs)]
    with old.collector("taken"), old.agent("delivered", old.collector_address):
        eventually(lambda: delivers_its_own(old.agent_address), PATIENCE_S)
        told = {name: json.loads(old.ask(name)) for name in ("processes", "sites", "gc", "parks")}
        totals = totals_of_all_runs(old.collector_address)
    return {"agent_id": agent_id(old, "state"), "runs": left, "told": told, "totals": totals}


def stored(old: Old) -> dict[str, Any]:
    """The data folder of a collector that was told of a leak until its finding grew, and was given profiles."""
    with ExitStack() as stack:
        stack.enter_context(old.collector("data"))
        leaking = stack.enter_context(started("leak", str(RATE), "0"))
        stack.enter_context(old.agent("agent", old.collector_address))
        finding_in(old, "opened")
        for name in ("goroutine?debug=0", "goroutine?debug=1", "goroutine?debug=2", "heap?gc=1", "allocs?gc=1"):
            push(old, leaking, name)
        for _ in range(2):
            old.ask("snapshot", "--host", HOST, "--pid", str(leaking.pid))
            time.sleep(15)
        found = finding_in(old, "growing")
    with old.collector("data"):
        time.sleep(5)
        told = {name: json.loads(old.ask(name)) for name in ("processes", "sites", "gc", "parks", "findings")}
        told["explained"] = json.loads(old.ask("findings", "--explain", found["id"]))
        with closing(sqlite3.connect(old.work / "agent" / "spool.db")) as spool:
            ((epoch,),) = spool.execute("SELECT agent_epoch FROM runs")
        run = {"agent_id": agent_id(old, "agent"), "agent_epoch": epoch}
        with AgentStream(old.collector_address, run["agent_id"], epoch, HOST) as stream:
            acknowledged = stream.acknowledged
    keep(old.work / "data", "collector-data")
    return run | {"acknowledged": acknowledged, "told": told}


@contextmanager
def started(name: str, *arguments: str) -> Iterator[GoProgram]:
    """A program under its neutral path."""
    with GoProgram(PROGRAMS / name, *arguments, env={"GOMAXPROCS": "2"}) as program:
        yield program


def works(old: Old, program: GoProgram, more: int, fewer: int) -> None:
    """Has a program create goroutines, let some end, and collect, until the agent has told all of it."""
    eventually(lambda: old.shown(program.pid, "main.main")[0] >= 0, PATIENCE_S)
    for round_number in range(1, 4):
        program.ask(f"more {more}")
        program.ask(f"fewer {fewer}")
        program.ask("gc 1")
        wanted = round_number * more
        eventually(lambda wanted=wanted: old.shown(program.pid, "main.more")[0] == wanted, PATIENCE_S)  # type: ignore[misc]
        time.sleep(1)


def push(old: Old, program: GoProgram, name: str) -> None:
    """Pushes one profile of the program's /debug/pprof."""
    file = old.work / "profile"
    with urllib.request.urlopen(f"http://127.0.0.1:{program.ready['port']}/debug/pprof/{name}") as answer:
        file.write_bytes(answer.read())
    old.ask("pprof", "push", str(file), "--host", HOST, "--pid", str(program.pid))


def finding_in(old: Old, state: str) -> dict[str, Any]:
    """Waits for a finding in a state."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [finding for finding in json.loads(old.ask("findings")) if finding["state"] == state]
        return bool(found)

    eventually(there, PATIENCE_S)
    return found[0]


def agent_id(old: Old, state: str) -> str:
    """Of the agent with that state folder."""
    return (old.work / state / "agent_id").read_text().strip()


def commit(clone: Path) -> str:
    """Of the version that writes."""
    line = ("git", "-C", str(clone), "rev-parse", "--short=7", "HEAD")
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def keep(folder: Path, name: str) -> None:
    """Packs what is in a folder into the fixtures."""
    shutil.make_archive(str(OUT / name), "zip", folder)


if __name__ == "__main__":
    sys.exit(main())
