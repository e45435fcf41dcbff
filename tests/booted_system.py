"""A real systemd, booted as process 1 of namespaces of its own, on the host's files with gosonde installed over them.

Nothing of the host changes: what the booted system writes is in memory and goes with it. Its only network is loopback.
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.paths import ROOT
from tests.system_inside import SystemInside

TARGET = "gosonde-test.target"
NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
PATIENCE_SECONDS = 60.0


def missing() -> str:
    """What this host lacks to boot a system; empty when nothing."""
    if os.geteuid() != 0:
        return "only root can make namespaces"
    if not Path("/usr/lib/systemd/systemd").exists():
        return "systemd is not installed"
    if not _cgroups():
        return "no cgroup2 is mounted"
    tried = subprocess.run(("unshare", *NAMESPACES, "--fork", "true"), capture_output=True, text=True, check=False)
    return f"no namespaces can be made here: {tried.stderr.strip()}" if tried.returncode else ""


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Waits until the condition holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited without success until {what}"
        time.sleep(0.1)


class BootedSystem(SystemInside):
    """Boots with the start of the block and ends, with all its processes, at the end of it.

    Args:
        stage: Files to lay over the host's, as `make install DESTDIR=STAGE` leaves them.
        work: An empty folder.
    """

    def __init__(self, stage: Path, work: Path) -> None:
        target = stage / "etc/systemd/system" / TARGET
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\n")
        self._cgroup = _cgroups()[0] / f"gosonde-test-{os.getpid()}"
        self._cgroup.mkdir()
        self.log = work.with_suffix(".log")
        script = f'echo $$ > {self._cgroup}/cgroup.procs; exec unshare --fork --kill-child "$@"'
        boot = ("bash", "-c", script, "boot", *NAMESPACES, ROOT / "tests/boot_root.sh", stage, work, TARGET)
        with self.log.open("wb") as log:
            self._unshare = subprocess.Popen(boot, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        try:
            eventually(lambda: self.state() in {"running", "degraded"}, "the system has booted")
        except BaseException as error:
            error.add_note(self.log.read_text())
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._unshare.kill()
        self._unshare.wait()
        eventually(self._cleared, "its cgroups are empty")

    def state(self) -> str:
        """What `systemctl is-system-running` says; empty while nobody answers."""
        return self.run("systemctl", "is-system-running", check=False).strip() if _children(self._unshare.pid) else ""

    def command(self, *command: str | Path) -> list[str | Path]:
        """The command line that runs a command in there."""
        (init,) = _children(self._unshare.pid)
        return ["nsenter", "--target", str(init), *NAMESPACES, "--", *command]

    def _cleared(self) -> bool:
        folders = sorted(self._cgroup.rglob("*/"), reverse=True)
        with contextlib.suppress(OSError):
            for folder in (*folders, self._cgroup):
                folder.rmdir()
        return not self._cgroup.exists()


def _cgroups() -> list[Path]:
    """Where cgroup2 is mounted."""
    fields = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(place) for _, place, kind, *_ in fields if kind == "cgroup2"]


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def child_of(process: "subprocess.Popen[str]") -> int:
    """The host's number of what a `command` runs: nsenter forks once for the pid namespace."""
    eventually(lambda: bool(_children(process.pid)), "the command runs")
    return _children(process.pid)[0]
