"""A Debian of its own: a root made by mmdebstrap, booted by systemd-nspawn with its systemd as process 1.

Roots are kept below ~/.cache; what a booted one writes lies over it, and goes at the end. Its only network is loopback.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests import toolchains
from tests.system_inside import SystemInside

SUITES = {"deb12": "bookworm", "deb13": "trixie"}
#: What the packages depend on is there: nothing is fetched while a root runs.
INCLUDED = "systemd,systemd-sysv,dbus,python3,libbpf1,libstdc++6,passwd"
TOOLS = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container"}
#: What the units give to their services must be there to be given; nspawn itself leaves these out.
CAPABILITIES = "CAP_BPF,CAP_PERFMON,CAP_SYS_PTRACE,CAP_DAC_READ_SEARCH,CAP_LEASE,CAP_SYS_ADMIN"
NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup")
PATIENCE_SECONDS = 120.0


def missing() -> str:
    """What this host lacks to boot one; empty when nothing."""
    if os.geteuid() != 0:
        return "only root can boot a system"
    packages = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    return f"not installed: {', '.join(packages)}" if packages else ""


def eventually(condition: Callable[[], object], what: str) -> None:
    """Waits until the condition holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited without success until {what}"
        time.sleep(0.2)


def root_of(release: str) -> Path:
    """The root of a release as mmdebstrap makes it; nobody may write to it."""
    contents = hashlib.sha256(INCLUDED.encode()).hexdigest()[:8]
    folder = toolchains.cache_dir() / "roots" / f"{SUITES[release]}-{contents}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with toolchains.locked(folder.with_suffix(".lock")):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            flags = ("--quiet", "--variant=minbase", f"--include={INCLUDED}")
            subprocess.run(("mmdebstrap", *flags, SUITES[release], unfinished), check=True)
            unfinished.rename(folder)
    return folder


class DebianRoot(SystemInside):
    """Boots with the start of the block, and ends with all its processes at the end of it.

    Args:
        release: "deb12" or "deb13".
        work: An empty folder.
        seen: Folders of the host that can be read in there, by where.
    """

    def __init__(self, release: str, work: Path, seen: Mapping[str, Path]) -> None:
        self.root = work / "root"
        self._release, self._work, self._seen = release, work, seen
        self._cgroup = _cgroup2() / f"gosonde-{release}-{os.getpid()}"
        self._over = ExitStack()
        self._nspawn: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for name in ("upper", "overlay", "root"):
            (self._work / name).mkdir()
        folders = f"lowerdir={root_of(self._release)},upperdir={self._work}/upper,workdir={self._work}/overlay"
        subprocess.run(("mount", "-t", "overlay", "-o", folders, "overlay", self.root), check=True)
        self._over.callback(subprocess.run, ("umount", "--lazy", self.root), check=True)
        self._over.callback(self.halt)
        try:
            self.boot()
        except BaseException as error:
            error.add_note((self._work / "console").read_text())
            self._over.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error:
            error.add_note(self.run("journalctl", "--no-pager", "--lines=60", check=False))
        self._over.close()

    def boot(self) -> None:
        """Returns when the system has started."""
        self._cgroup.mkdir()
        binds = [f"--bind-ro={folder}:{place}" for place, folder in self._seen.items()]
        command = (
            "systemd-nspawn", f"--directory={self.root}", f"--machine={self._cgroup.name}", "--boot", "--register=no",
            "--keep-unit", "--private-network", "--link-journal=no", f"--capability={CAPABILITIES}",
            "--system-call-filter=bpf perf_event_open", *binds,
        )  # fmt: skip
        into = f'echo $$ > {self._cgroup}/cgroup.procs; exec "$@"'
        environment = os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with (self._work / "console").open("wb") as console:
            self._nspawn = subprocess.Popen(
                ("bash", "-c", into, "boot", *command),
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment,
            )  # fmt: skip
        eventually(lambda: self._state() in {"running", "degraded"}, "the system has booted")

    def halt(self) -> None:
        """Returns when no process of the system is left."""
        assert self._nspawn
        if self._init():
            self.run("systemctl", "poweroff", check=False)
        try:
            self._nspawn.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        eventually(self._cleared, "its cgroups are empty")

    def command(self, *command: str | Path) -> list[str | Path]:
        """The command line that runs a command in there."""
        path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        environment = ("env", "-i", path, "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
        return ["nsenter", "--target", str(self._init()), *NAMESPACES, "--", *environment, *command]

    def host_pid(self, pid: str) -> int:
        """The host's number of a process in there."""
        namespace = Path(f"/proc/{self._init()}/ns/pid").readlink()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                is_named_so = re.search(rf"^NSpid:.*\t{pid}$", (process / "status").read_text(), re.MULTILINE)
                if is_named_so and (process / "ns/pid").readlink() == namespace:
                    return int(process.name)
        raise LookupError(pid)

    def _state(self) -> str:
        return self.run("systemctl", "is-system-running", check=False).strip() if self._init() else ""

    def _init(self) -> int:
        """The host's number of the system's process 1; 0 while there is none."""
        assert self._nspawn
        with contextlib.suppress(OSError):
            pid = self._nspawn.pid
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return int(child)
        return 0

    def _cleared(self) -> bool:
        with contextlib.suppress(OSError):
            for folder in (*sorted(self._cgroup.rglob("*/"), reverse=True), self._cgroup):
                folder.rmdir()
        return not self._cgroup.exists()


def _cgroup2() -> Path:
    """Where cgroup2 is mounted."""
    fields = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return next(Path(place) for _, place, kind, *_ in fields if kind == "cgroup2")
