"""Where transcripts are made: a host of its own name, with folders and a network that nothing else uses."""

import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.paths import ROOT
from tests.toolchains import cache_dir

HOST: Final = "web-1"
#: This repository and what it builds, by names that say nothing of the machine; what runs, and the files that it has.
REPOSITORY, CACHE = Path("/srv/gosonde"), Path("/srv/cache/gosonde")
PROGRAMS, FILES = Path("/srv/shop"), Path("/srv/files")
#: Where services keep what they have by default: that of this machine stays as it is.
COVERED = ("/srv", "/run", "/var/lib")
#: Of <linux/sockios.h> and <linux/if.h>.
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
APART = ("unshare", "--mount", "--uts", "--net", "--propagation", "private")


def enter(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `python -m tests.transcripts.play` with these arguments there, as root; what it says goes to `stdout`."""
    command = (*APART, sys.executable, "-m", "tests.transcripts.place", *arguments)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True) as playing:
        try:
            said, _ = playing.communicate()
        except BaseException:
            playing.terminate()  # it ends what it has started
            raise
    return subprocess.CompletedProcess(command, playing.returncode, said)


def _furnish() -> None:
    cache_dir().mkdir(parents=True, exist_ok=True)
    cache = os.open(cache_dir(), os.O_PATH)
    for covered in COVERED:
        _run("mount", "-t", "tmpfs", "tmpfs", covered)
    for folder in (REPOSITORY, CACHE, PROGRAMS, FILES, ROOT):
        folder.mkdir(parents=True, exist_ok=True)
    # What is covered with /srv is still reached by the current folder, and by the descriptor.
    for name in (REPOSITORY, ROOT):
        _run("mount", "--bind", ".", str(name))
    _run("mount", "--bind", f"/proc/{os.getpid()}/fd/{cache}", str(CACHE))
    socket.sethostname(HOST)
    _enable_loopback()


def _enable_loopback() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    _furnish()
    environment = {**os.environ, "XDG_CACHE_HOME": str(CACHE.parent), "PYTHONPATH": str(REPOSITORY)}
    os.chdir(REPOSITORY)
    os.execve(sys.executable, (sys.executable, "-m", "tests.transcripts.play", *sys.argv[1:]), environment)  # noqa: S606 - no shell
