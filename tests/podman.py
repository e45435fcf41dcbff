"""podman with a store of its own, and the commands of docs/install.md for it."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.paths import ROOT

TOOLS = ("buildah", "mmdebstrap", "newuidmap", "podman", "qemu-aarch64-static", "runc", "update-binfmts")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]
#: For tests of images.
MARKS = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can build a root of Debian"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.minutes,
    pytest.mark.timeout(7200),
]
#: Not every host that runs tests may raise them to podman's defaults.
LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")


class Podman:
    """Runs podman.

    Args:
        *command: podman, with where it stores what, and before it what runs it.
    """

    def __init__(self, *command: str | Path) -> None:
        self._own = (*command, "--runtime=runc")

    def command(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        """The command line; `run` gets limits that every host allows."""
        limits = LIMITS if arguments[0] == "run" else ()
        return (*self._own, arguments[0], *limits, *arguments[1:])

    def run(self, *arguments: str | Path, check: bool = True, stdin: IO[bytes] | None = None) -> str:
        """What it prints."""
        command = self.command(*arguments)
        done = subprocess.run(command, check=False, cwd=ROOT, text=True, capture_output=True, stdin=stdin)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def forget(self) -> None:
        """Ends all containers, and removes all that is stored."""
        self.run("rm", "--all", "--force", "--time=15", check=False)
        self.run("system", "reset", "--force", check=False)


def in_folder(store: Path) -> tuple[str | Path, ...]:
    """Options by which podman keeps everything in a folder: also what else all podmans of a user share."""
    return ("--root", store / "storage", "--runroot", store / "run", "--tmpdir", store / "tmp")


def documented() -> Iterator[list[str]]:
    """The commands of docs/install.md that run the containers, without `sudo podman`."""
    for line in re.findall(r"^sudo podman (run .*)$", (ROOT / "docs/install.md").read_text(), re.MULTILINE):
        yield shlex.split(line)
