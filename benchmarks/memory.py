"""What it costs to read a process's goroutines: `python -m benchmarks.memory [GOROUTINES ...]`.

Prints medians for reading headers and for reading headers and stacks, for a whole snapshot as a collector gets it, for
the runtime's totals and its GC figures, the largest memory that the reader took, and what one dump a second costs the
target: pairs of runs with and without it, in turn.
"""

import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from gosonde_agent.sources.memory.target import KnownBinaries, Target, opened
from gosonde_common.wire.profile import encode_profile

from tests import go_programs
from tests.go_programs import GoProgram

DEFAULT = (10_000, 100_000)
ROUNDS = 9
SNAPSHOTS = 3
PAIRS = 5
SPIN_MS = 3_000


def main() -> None:
    """Measures each number of goroutines that the command line names."""
    if sys.argv[1:2] == ["--dump"]:
        _dump_every_second(int(sys.argv[2]))
    executable = go_programs.build("parked")
    for count in [int(argument) for argument in sys.argv[1:]] or DEFAULT:
        # One P, so that what is measured is what reading does to the target, not how two share a CPU.
        with GoProgram(executable, str(count), env={"GOMAXPROCS": "1"}) as program:
            _reading(program, count)
            if count <= DEFAULT[-1]:
                _throughput(program, count)


def _reading(program: GoProgram, count: int) -> None:
    known = KnownBinaries()
    with opened(program.pid, known):
        pass
    with opened(program.pid, known) as target:
        headers = _median(lambda: _drain(target, stacks=False))
        stacks = _median(lambda: _drain(target, stacks=True))
        profile = _median(lambda: _encode(target), rounds=SNAPSHOTS)
        totals, gc = _median(lambda: _ignore(target.totals())), _median(lambda: _ignore(target.gc()))
    opening = _median(lambda: _open(program.pid, known))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{count:>9,} goroutines: headers {headers * 1e3:.0f} ms, with stacks {stacks * 1e3:.0f} ms of one CPU; "
        f"opening the process {opening * 1e3:.0f} ms more; a snapshot {profile:.1f} s; totals {totals * 1e3:.2f} ms, "
        f"GC figures {gc * 1e3:.2f} ms; reader's peak so far {peak} MiB"
    )


def _drain(target: Target, *, stacks: bool) -> None:
    for _ in target.blocks(stacks=stacks):
        pass


def _encode(target: Target) -> None:
    encode_profile(target.goroutines(), time.time_ns())


def _ignore(_value: object) -> None:
    """For what is measured and not used."""


def _open(pid: int, known: KnownBinaries) -> None:
    with opened(pid, known):
        pass


def _median(work: Callable[[], None], rounds: int = ROUNDS) -> float:
    """CPU seconds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def _throughput(program: GoProgram, count: int) -> None:
    program.ask(f"spin {SPIN_MS}")
    ratios, noise = [], []
    for _ in range(PAIRS):
        first = program.ask(f"spin {SPIN_MS}")["created"]
        with _Dumper(program.pid):
            read = program.ask(f"spin {SPIN_MS}")["created"]
        second = program.ask(f"spin {SPIN_MS}")["created"]
        ratios.append(read / ((first + second) / 2))
        noise.append(abs(second - first) / first)
    print(
        f"{count:>9,} goroutines: the target's speed with one dump a second is {statistics.median(ratios):.3f} of that "
        f"without ({min(ratios):.3f} to {max(ratios):.3f}); runs without differ by {statistics.median(noise):.3f}"
    )


class _Dumper:
    """Reads a process once a second, from another process."""

    def __init__(self, pid: int) -> None:
        command = [sys.executable, "-m", "benchmarks.memory", "--dump", str(pid)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_args: object) -> None:
        self._process.kill()
        self._process.communicate()


def _dump_every_second(pid: int) -> None:
    os.nice(19)  # takes only what nobody else wants of the CPUs, so that what reading does to the target is left
    known = KnownBinaries()
    never = threading.Event()
    with opened(pid, known) as target:
        print("reading", flush=True)
        while not never.wait(1):
            _drain(target, stacks=True)


if __name__ == "__main__":
    main()
