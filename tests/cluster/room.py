"""Where a node lives: namespaces and control groups of its own, of which nothing is left at the end."""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.booted_system import cgroups, eventually

#: Not of process ids: a node has the first one, and there alone an agent can count in the pods.
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--cgroup")
SCRIPT = Path(__file__).with_name("room.sh")
#: room.sh's address of the node, in a network that no other host is in.
ADDRESS = "10.250.0.1"
NODE = "node-1"


class Room:
    """Is there from the start of the block to its end, which ends all processes in there.

    Args:
        folder: An empty folder on a disk, for all that is written. Its path is short: sockets lie in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._groups = [place / f"gosonde-cluster-{os.getpid()}" for place in cgroups("cgroup") + cgroups("cgroup2")]
        # Nobody in there knows of this one, so all stay in it.
        self._all = self._groups[-1]
        self._unshare: subprocess.Popen[bytes] | None = None
        self._services: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(self._close)
            for group in self._groups:
                group.mkdir()
                for name in ("cpuset.cpus", "cpuset.mems"):
                    if (group / name).exists():
                        (group / name).write_text((group.parent / name).read_text())
            command = ("unshare", *NAMESPACES, SCRIPT, self.folder, ADDRESS, NODE)
            self._unshare = self._start(command, "room")
            eventually(self._is_ready, "the node is there")
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._unshare:
            (self._all / "cgroup.kill").write_text("1")
            for process in (*self._services, self._unshare):
                process.wait()
        eventually(self._cleared, "the control groups of the cluster are empty")

    def _is_ready(self) -> bool:
        assert self._unshare
        assert self._unshare.poll() is None, (self.folder / "room.log").read_text()
        return (self.folder / "ready").exists()

    def command(self, *command: str | Path) -> list[str | Path]:
        """The command line that runs a command in there, in the control groups of the node."""
        assert self._unshare
        enter = ("nsenter", "--target", str(self._unshare.pid), *NAMESPACES, "--")
        return ["bash", "-c", self._into(), "room", *enter, *command]

    def start(self, name: str, *command: str | Path, environment: dict[str, str] | None = None) -> None:
        """Starts a service, which ends with the room; what it says is in NAME.log."""
        self._services.append(self._start(self.command(*command), name, environment))

    def run(self, *command: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """What a command says and how it ends."""
        return subprocess.run(self.command(*command), check=False, capture_output=True, text=True, input=stdin)

    def pids(self) -> list[int]:
        """Of all processes in there."""
        return [int(pid) for pid in (self._all / "cgroup.procs").read_text().split()]

    def _start(
        self, command: Sequence[str | Path], name: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                ("bash", "-c", self._into(), name, *command),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | (environment or {}),
            )  # fmt: skip

    def _into(self) -> str:
        moves = "".join(f"echo $$ > {group}/cgroup.procs; " for group in self._groups)
        return f'{moves}exec "$@"'

    def _cleared(self) -> bool:
        for group in self._groups:
            with contextlib.suppress(OSError):
                for folder in (*sorted(group.rglob("*/"), reverse=True), group):
                    folder.rmdir()
        return not any(group.exists() for group in self._groups)
