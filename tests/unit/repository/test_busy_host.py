"""Busy loops end with whoever started them, however that ended."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.busy_host import LOOPS_PER_CORE

ROOT = Path(__file__).resolve().parents[3]
STARTS = "import time\nfrom tests.busy_host import busy_host\nwith busy_host(): print(flush=True); time.sleep(600)"
PATIENCE_S = 60.0


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_busy_loops_end_when_whoever_started_them_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        loops = children(parent.pid)
        parent.kill()
    assert len(loops) == LOOPS_PER_CORE * (os.cpu_count() or 1)
    end = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{loop}").exists() for loop in loops):
        assert time.monotonic() < end, "the loops go on"
        time.sleep(0.05)
