"""From a command to the first figures of a process that runs: `gosonde trace`, and bpftrace with the same counts.

CPU time is that of the whole command. It hardly depends on what else the host does.
"""

import os
import pty
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.probing import GOSONDE, bpftrace, bpftrace_counts
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

#: What stands beside the first figures, in the line that `gosonde trace` shows while it runs.
FIGURES: Final = b" created, "
SAID: Final = "first figures"
DURATION: Final = 0.5


def starting(rounds: int) -> Iterator[Row]:
    """In turn; a trace before them has compiled the probes."""
    executable = build("parked")
    script = bpftrace_counts(executable)
    found: dict[str, list[float]] = {"gosonde trace": [], "bpftrace": []}
    beside: list[float] = []
    took: dict[str, list[float]] = {"gosonde trace": [], "bpftrace": []}
    with bpftrace(script, 2):  # installs it where it is missing
        pass
    with GoProgram(executable, "100") as program:
        command = (str(GOSONDE), "trace", "--pid", str(program.pid), "--duration", str(DURATION))
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        peer = ("bpftrace", "-e", f'{script} interval:ms:1 {{ printf("{SAID}\\n"); exit(); }}')
        for _ in range(rounds):
            first, whole, cpu = _shown(command, FIGURES)
            found["gosonde trace"].append(first)
            took["gosonde trace"].append(cpu)
            beside.append(whole - DURATION)
            first, _, cpu = _shown(peer, SAID.encode())
            found["bpftrace"].append(first)
            took["bpftrace"].append(cpu)
    for case, values in found.items():
        yield Row("start", f"{case}: to its first figures", "s", tuple(values))
    yield Row("start", "gosonde trace: beside its duration", "s", tuple(beside))
    for case, values in took.items():
        yield Row("start", case, "s of CPU", tuple(values))


def _shown(command: Sequence[str], wanted: bytes) -> tuple[float, float, float]:
    """Seconds until a command shows something on its terminal, and until it has ended, and its CPU seconds."""
    here, there = pty.openpty()
    began = time.monotonic()
    first = None
    with subprocess.Popen(
        command, stdin=there, stdout=there, stderr=there, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(there)
        seen = b""
        while more := _more(here):
            seen += more
            if first is None and wanted in seen:
                first = time.monotonic() - began
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    os.close(here)
    assert first is not None, f"{command} showed no figures: {seen.decode(errors='replace')}"
    return first, time.monotonic() - began, usage.ru_utime + usage.ru_stime


def _more(terminal: int) -> bytes:
    """What is shown next; nothing when the last one that had the terminal has closed it."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""
