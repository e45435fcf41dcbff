"""A system of its own, booted by systemd-nspawn with its systemd as process 1, over a root that stays as it is.

What it writes is in memory, and goes at the end with all its processes. Its only network is loopback.
"""

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.system_inside import SystemInside

#: What the units give to their services must be there to be given; nspawn itself leaves these out.
CAPABILITIES = "CAP_BPF,CAP_PERFMON,CAP_SYS_PTRACE,CAP_DAC_READ_SEARCH,CAP_LEASE,CAP_SYS_ADMIN"
NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup")
PATIENCE_SECONDS = 120.0
_numbers = itertools.count()


def missing() -> str:
    """What this host lacks to boot one; empty when nothing."""
    if os.geteuid() != 0:
        return "only root can boot a system"
    if not cgroups("cgroup2"):
        return "no cgroup2 is mounted"
    return "" if shutil.which("systemd-nspawn") else "not installed: systemd-container"


def eventually(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited without success until {what}"
        time.sleep(0.2)


class BootedSystem(SystemInside):
    """Boots with the start of the block, and ends with all its processes at the end of it.

    Args:
        lower: The root that is booted.
        work: An empty folder.
        seen: Folders of the host that can be read in there, by where.
        prepare: Fills the folder of what lies over the root, before the first boot.
    """

    def __init__(
        self, lower: Path, work: Path, seen: Mapping[str, Path], prepare: Callable[[Path], None] = lambda _upper: None
    ) -> None:
        self.root = work / "root"
        self._lower, self._work, self._seen, self._prepare = lower, work, seen, prepare
        self._cgroup = cgroups("cgroup2")[0] / f"gosonde-test-{os.getpid()}-{next(_numbers)}"
        self._over = ExitStack()
        self._nspawn: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._mount()
            self._over.callback(self.halt)
            self.boot()
        except BaseException as error:
            with contextlib.suppress(OSError):
                error.add_note((self._work / "console").read_text())
            self._over.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error:
            error.add_note(self.run("journalctl", "--no-pager", "--lines=60", check=False))
        self._over.close()

    def _mount(self) -> None:
        self._over.enter_context(mounted("tmpfs", "mode=755", self._work))
        for name in ("upper", "overlay", "root"):
            (self._work / name).mkdir()
        self._prepare(self._work / "upper")
        folders = f"lowerdir={self._lower},upperdir={self._work}/upper,workdir={self._work}/overlay"
        self._over.enter_context(mounted("overlay", folders, self.root))

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
        if not self._nspawn:
            return
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
        path = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = ("env", "-i", path, "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
        return ["nsenter", "--target", str(self._init()), *NAMESPACES, "--", *environment, *command]

    def host_pid(self, pid: str | int) -> int:
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
        """Removes its control groups; nspawn makes one in each hierarchy that systemd has a name for."""
        places = [place / self._cgroup.name for kind in ("cgroup2", "cgroup") for place in cgroups(kind)]
        for place in places:
            with contextlib.suppress(OSError):
                for folder in (*sorted(place.rglob("*/"), reverse=True), place):
                    folder.rmdir()
        return not any(place.exists() for place in places)


@contextlib.contextmanager
def mounted(kind: str, options: str, place: Path) -> Iterator[None]:
    """Has a file system of a kind mounted at a place."""
    subprocess.run(("mount", "-t", kind, "-o", options, kind, place), check=True)
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", place), check=True)


def cgroups(kind: str) -> list[Path]:
    """Where hierarchies of control groups are mounted: "cgroup2", or "cgroup" for those of version 1."""
    fields = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(place) for _, place, found, *_ in fields if found == kind]
