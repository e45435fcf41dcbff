"""Dumps of many goroutines with their stacks, by gosonde and by the program's own pprof, in turn.

Beside them a goroutine of the program spins, and says how long it was kept from running at most.
"""

import os
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.probing import GOSONDE
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

#: The first is what the others are compared with.
CASES: Final = {
    "pprof debug=2": None,
    "gosonde goroutines": (),
    "gosonde goroutines --each": ("--each",),
    "gosonde goroutines --json": ("--json",),
    "nothing": None,
}
STACKS: Final = (1, 1_000)
POLL_SECONDS: Final = 0.002
NOTHING_SECONDS: Final = 1.0


def dumps(rounds: int, goroutines: int = 100_000) -> Iterator[Row]:
    """Of a program whose goroutines have one stack, and of one in which they have many."""
    for stacks in STACKS:
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        with (
            tempfile.TemporaryDirectory(prefix="gosonde-bench.") as folder,
            GoProgram(build("stacks"), str(goroutines), str(stacks)) as program,
        ):
            program.ask("spin")
            for _ in range(rounds):
                for case in CASES:
                    program.ask("gap")
                    for unit, value in _measured(program, case, Path(folder, "dump")).items():
                        found[case, unit].append(value)
                    found[case, "longest gap, ms"].append(program.ask("gap")["longest_ns"] / 1e6)
        for (case, unit), values in sorted(found.items(), key=lambda entry: entry[0][1]):
            yield Row("dumps", case, unit, tuple(values), stacks, "stacks")


def _measured(program: GoProgram, case: str, path: Path) -> dict[str, float]:
    """By unit; a dump is written into a file, as pprof's is."""
    path.unlink(missing_ok=True)
    flags = CASES[case]
    if flags is not None:
        return _by_gosonde((str(GOSONDE), "goroutines", str(program.pid), *flags), path)
    began = time.monotonic()
    if case == "nothing":
        time.sleep(NOTHING_SECONDS)
        return {}
    program.ask(f"profile {path} 2")
    return {"s": time.monotonic() - began, "MB": path.stat().st_size / 1e6}


def _by_gosonde(command: tuple[str, ...], path: Path) -> dict[str, float]:
    with path.open("wb") as file:
        began = time.monotonic()
        with subprocess.Popen(command, stdout=file) as process:
            first = None
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                if first is None and os.fstat(file.fileno()).st_size:
                    first = time.monotonic() - began
                time.sleep(POLL_SECONDS)
            took = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(ended[1])
        assert not process.returncode, f"{command} ended with status {process.returncode}"
    usage = ended[2]
    return {
        "s": took,
        "s to the first byte": took if first is None else first,
        "s of CPU": usage.ru_utime + usage.ru_stime,
        "MB": path.stat().st_size / 1e6,
        "MiB at the peak": usage.ru_maxrss / 1024,
    }
