"""Whether this host lets breakpoints be put into a process: tried on a child of this process."""

import os
import subprocess
import sys

from gosonde_agent.host import procfs
from gosonde_agent.host.mappings import mapped_code
from gosonde_agent.model.errors import NoSuchProcessError, NotPermittedError, UnreadableFileError
from gosonde_agent.sources.ptrace import calls
from gosonde_agent.sources.ptrace.breakpoints.text import Text


def try_breakpoints() -> None:
    """Traces a child, writes the first byte of its code once more, and ends it.

    Raises:
        GosondeError: The host does not allow it; why.
    """
    procfs.check_numbers()
    calls.check_machine()
    with subprocess.Popen(
        [sys.executable, "-ISc", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            if child.stdout is None or not child.stdout.readline() or not calls.seize(child.pid):
                raise NoSuchProcessError("the process to try it on has ended")
            _write_again(child.pid)
        finally:
            child.kill()


def _write_again(pid: int) -> None:
    try:
        code = mapped_code(pid, os.open(f"/proc/{pid}/maps", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise NotPermittedError(f"the mappings of process {pid} may not be read: {error.strerror}") from error
    if not code:
        raise UnreadableFileError(f"process {pid} has no code")
    text = Text(pid)
    try:
        text.write_again(int(code[0].area.split("-")[0], 16))
    finally:
        text.close()
