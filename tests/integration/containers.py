"""Programs in mount and pid namespaces of their own, as containers have them; made with unshare(1) and overlayfs."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.go_programs import GoProgram


@contextlib.contextmanager
def mounted(kind: str, target: Path, options: str = "") -> Iterator[Path]:
    """Mounts a file system of a kind at a folder, which is made; unmounts it at the end, at the latest."""
    target.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", kind, *(["-o", options] if options else []), kind, str(target)]
    subprocess.run(command, check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", "--lazy", str(target)], check=False, stderr=subprocess.DEVNULL)


def overlay(folder: Path, lower: Path) -> str:
    """Options for an overlay file system over `lower`, with its own changes in `folder`."""
    for name in ("upper", "work"):
        (folder / name).mkdir(parents=True)
    return f"lowerdir={lower},upperdir={folder / 'upper'},workdir={folder / 'work'}"


@contextlib.contextmanager
def contained(executable: str, setup: str) -> Iterator[tuple[GoProgram, int]]:
    """(program, its pid on the host): run in new mount and pid namespaces, after `setup`, a shell command there."""
    unshare = Path("/usr/bin/unshare")
    script = f"{setup} && exec {executable}"
    with GoProgram(
        unshare, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script
    ) as program:
        assert program.ready["pid"] == 1, "it is process 1 of a pid namespace"
        yield program, child_of(program.pid)


def child_of(pid: int) -> int:
    """The only child of a process."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    end = time.monotonic() + 10
    while not (children := path.read_text().split()):
        assert time.monotonic() < end
        time.sleep(0.01)
    (child,) = children
    return int(child)
