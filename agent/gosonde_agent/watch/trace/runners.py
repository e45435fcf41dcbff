"""Processes that run a file."""

import os
import time
from collections.abc import Sequence
from typing import Final

from gosonde_common.errors import UsageError

from gosonde_agent.host import procfs
from gosonde_agent.model.errors import NoSuchProcessError

NOBODY: Final = "no process ran the program while it was traced"
#: Between two looks whether a process runs a file by now.
LOOK_SECONDS: Final = 0.01


def runner(fd: int, path: str, end: float) -> int:
    """The process that runs an open file, or the first one that is seen to until `end`, CLOCK_MONOTONIC seconds.

    Raises:
        UsageError: Several processes run it.
        NoSuchProcessError: None did.
    """
    status = os.fstat(fd)
    while True:
        found = [pid for pid in procfs.pids() if _runs_file(pid, status)]
        refuse_several(found, path)
        if found:
            return found[0]
        if time.monotonic() >= end:
            raise NoSuchProcessError(NOBODY)
        time.sleep(LOOK_SECONDS)


def _runs_file(pid: int, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/exe"), status)  # noqa: PTH116 - for each process of the host
    except OSError:
        return False


def refuse_several(pids: Sequence[int], path: str) -> None:
    """Refuses to choose among processes.

    Raises:
        UsageError: Several processes run the file.
    """
    if len(pids) > 1:
        raise UsageError(f"several processes run {path}: say which one with --pid ({', '.join(map(str, pids))})")
