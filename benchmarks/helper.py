"""What the agent's helper takes: `python -m benchmarks.helper`, as root.

Prints the time of a request as the agent waits for it, the CPU time that it takes of both processes, what opening the
same files without a helper takes, and the helper's memory.
"""

import os
import statistics
import time
from collections.abc import Callable
from functools import partial

import psutil
from gosonde_agent import helper
from gosonde_agent.host.access import Access, Direct

from tests import go_programs
from tests.go_programs import GoProgram

REQUESTS, ROUNDS = 500, 9


def main() -> None:
    started = helper.start()
    (process,) = [child for child in psutil.Process().children() if child.ppid() == os.getpid()]
    try:
        with GoProgram(go_programs.build("parked"), "10") as program:
            for name, of in (("executable", _executable), ("memory", _memory)):
                wait, cpu = _measured(partial(of, started.client, program.pid), process)
                alone, _ = _measured(partial(of, Direct(), program.pid), process)
                print(
                    f"{name}: {wait * 1e6:.0f} us a request, {cpu * 1e6:.0f} us of it CPU time of the helper; "
                    f"without a helper {alone * 1e6:.0f} us"
                )
        print(f"the helper's memory: {process.memory_full_info().pss / (1 << 20):.0f} MiB (PSS)")
    finally:
        started.probes.close()
        started.close()


def _executable(access: Access, pid: int) -> int:
    return access.executable(pid)[0]


def _memory(access: Access, pid: int) -> int:
    return access.memory(pid)


def _measured(open_file: Callable[[], int], process: psutil.Process) -> tuple[float, float]:
    """Medians of (seconds a request, CPU seconds of the helper)."""
    waits, cpus = [], []
    for _ in range(ROUNDS):
        began, before = time.perf_counter(), sum(process.cpu_times()[:2])
        for _ in range(REQUESTS):
            os.close(open_file())
        waits.append((time.perf_counter() - began) / REQUESTS)
        cpus.append((sum(process.cpu_times()[:2]) - before) / REQUESTS)
        time.sleep(REQUESTS / 1000)  # it has those wait that ask too often
    return statistics.median(waits), statistics.mean(cpus)


if __name__ == "__main__":
    main()
