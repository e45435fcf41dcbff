"""From a command to the first figures of a process that runs: `gosonde trace`, and bpftrace with the same counts.

A trace has the compiled probes of the one before, or of its package, or none: on a host where nothing was traced yet.

CPU time is that of the whole command. It hardly depends on what else the host does.
"""

import os
import pty
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.probing import GOSONDE, bpftrace, bpftrace_counts
from benchmarks.results import Row
from tests import package_probes
from tests.go_programs import GoProgram, build

#: What stands beside the first figures, in the line that `gosonde trace` shows while it runs.
FIGURES: Final = b" created, "
SAID: Final = "first figures"
DURATION: Final = 0.5
#: Runs a command where /var/cache, in which traces keep compiled probes, is empty.
NOTHING_KEPT: Final = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /var/cache && exec "$@"', "sh")


def starting(rounds: int) -> Iterator[Row]:
    """In turn; a trace before them has compiled the probes."""
    executable = build("parked")
    script = bpftrace_counts(executable)
    with bpftrace(script, 2):  # installs it where it is missing
        pass
    peer = ("bpftrace", "-e", f'{script} interval:ms:1 {{ printf("{SAID}\\n"); exit(); }}')
    with tempfile.TemporaryDirectory() as folder, GoProgram(executable, "100") as program:
        of_package = package_probes.install(Path(folder))
        trace = (str(GOSONDE), "trace", "--pid", str(program.pid), "--duration", str(DURATION))
        subprocess.run(trace, check=True, stdout=subprocess.DEVNULL)
        cases: Mapping[str, tuple[Sequence[str], bytes, Mapping[str, str]]] = {
            "gosonde trace": (trace, FIGURES, os.environ),
            "gosonde trace, of a package": ((*NOTHING_KEPT, *trace), FIGURES, of_package),
            "gosonde trace that compiles": ((*NOTHING_KEPT, *trace), FIGURES, os.environ),
            "bpftrace": (peer, SAID.encode(), os.environ),
        }
        took: dict[str, list[tuple[float, float, float]]] = {case: [] for case in cases}
        for _ in range(rounds):
            for case, (command, figures, environment) in cases.items():
                took[case].append(_shown(command, figures, environment))
    for case, values in took.items():
        yield Row("start", f"{case}: to its first figures", "s", tuple(first for first, _, _ in values))
    beside = tuple(whole - DURATION for _, whole, _ in took["gosonde trace"])
    yield Row("start", "gosonde trace: beside its duration", "s", beside)
    for case, values in took.items():
        yield Row("start", case, "s of CPU", tuple(cpu for _, _, cpu in values))


def _shown(command: Sequence[str], wanted: bytes, environment: Mapping[str, str]) -> tuple[float, float, float]:
    """Seconds until a command shows something on its terminal, and until it has ended, and its CPU seconds."""
    here, there = pty.openpty()
    began = time.monotonic()
    first = None
    with subprocess.Popen(
        command, stdin=there, stdout=there, stderr=there, env={**environment, "TERM": "xterm"}
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
