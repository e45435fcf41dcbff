"""What an agent takes that feeds a collector: CPU, wake-ups and memory, by targets and by sites."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gosonde_agent.host import procfs

from benchmarks.agents import GOSONDE, Agent, launched
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

TARGETS = (1, 10, 100)
SITES = (1, 10, 100)
#: How many targets there are when the number of sites varies.
TARGETS_BY_SITES = 10


@dataclass(frozen=True, slots=True)
class Case:
    """What the targets do.

    Attributes:
        period_ms: Between two executions of each site; 0: never.
        settle_seconds: After the baselines were found.
        budget: `max_target_overhead`, as TOML; with "off" each is probed in full, however little else it does.
    """

    period_ms: int
    settle_seconds: float
    budget: str = '"off"'


IDLE, BUSY, DEAR = "idle", "each site once a second", "counted from memory"
#: Idle memory is read rarely from its third reading on, which comes 60 s after the first.
CASES = {IDLE: Case(0, 100.0), BUSY: Case(1000, 10.0), DEAR: Case(100, 10.0, budget="0.01")}
TIMEOUT_SECONDS = 120.0
SAMPLE_SECONDS = 0.005


def footprint(seconds: float) -> Iterator[Row]:
    """By targets with a hundred sites each, and by the sites that ten busy targets have."""
    for case in CASES:
        for targets in TARGETS:
            for unit, value in _figures(targets, SITES[-1], case, seconds).items():
                yield Row("footprint", case, unit, (value,), targets, "targets")
    for sites in SITES:
        for unit, value in _figures(TARGETS_BY_SITES, sites, BUSY, seconds).items():
            yield Row("sites", f"{TARGETS_BY_SITES} targets, {BUSY}", unit, (value,), sites, "sites")


@cache
def _figures(targets: int, sites: int, case: str, seconds: float) -> Mapping[str, float]:
    selected, executable = CASES[case], build("sites")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gosonde-bench.")))
        address = f"unix:{folder}/collector.sock"
        arguments = str(selected.period_ms), str(sites)
        # An idle program collects garbage every two minutes, unless it never does: then nothing happens at all.
        environment = {} if selected.period_ms else {"GOGC": "off"}
        programs = [stack.enter_context(GoProgram(executable, *arguments, env=environment)) for _ in range(targets)]
        config = {"exe": f'["{executable}"]', "collector": f'["{address}"]', "max_target_overhead": selected.budget}
        running = stack.enter_context(launched(**config))
        at_start = _peak_at_start(running)
        # Not before: as on a host without a collector, no library is in use when the agent gives its pages back.
        stack.enter_context(_collector(address, folder))
        reported = _reported(address, programs, {program.pid: sites for program in programs})
        start_cpu = cpu_seconds(running.process.pid)
        time.sleep(selected.settle_seconds)
        figures = dict(_watched(running.process.pid, seconds))
        _reported(address, programs, {pid: created + sites for pid, created in reported.items()})
    return figures | {"MB at start": at_start, "s of CPU until all are reported": start_cpu}


@contextmanager
def _collector(address: str, folder: Path) -> Iterator[None]:
    command = [str(GOSONDE), "collector", "--data", str(folder / "data"), "--listen", address]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _reported(address: str, programs: Iterable[GoProgram], least: Mapping[int, int]) -> dict[int, int]:
    """Has each site executed once; how many goroutines the collector knows by pid, once these are at least so many.

    Each process must also have goroutines that lived before counting began: its baseline.
    """
    for program in programs:
        program.ask("round 1")
    # A process of its own: what this one imports would be in use when the next agent gives its pages back.
    command = [str(GOSONDE), "processes", "--json", "--collector", address]
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        answer = subprocess.run(command, capture_output=True, check=False).stdout
        rows = json.loads(answer or "[]")
        reported = {row["pid"]: row["created"] for row in rows if row["live"] > row["created"] - row["exited"]}
        if all(reported.get(pid, 0) >= created for pid, created in least.items()):
            return reported
        time.sleep(1)
    raise SystemExit("the agent did not feed the collector")


def _peak_at_start(running: Agent) -> float:
    """MB of the agent and its children together, at most, until the agent has started."""
    peak, pid = 0.0, running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(running.wait_until_started)
        while not started.done():
            peak = max(peak, sum(map(_pss_megabytes, (str(pid), *children.read_text().split()))))
            time.sleep(SAMPLE_SECONDS)
        started.result()
    return peak


def _pss_megabytes(pid: str) -> float:
    """Resident, but of pages that processes share only this one's part; 0 for a process that has ended."""
    try:
        return _megabytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _watched(pid: int, seconds: float) -> Iterator[tuple[str, float]]:
    status = Path(f"/proc/{pid}/status")
    cpu, switches = cpu_seconds(pid), _field(status, "voluntary_ctxt_switches")
    time.sleep(seconds)
    yield "% of one core", 100 * (cpu_seconds(pid) - cpu) / seconds
    yield "wake-ups/s", (_field(status, "voluntary_ctxt_switches") - switches) / seconds
    yield "MB resident", _megabytes(status, "VmRSS")
    yield "MB at the peak", _megabytes(status, "VmHWM")


def cpu_seconds(pid: int) -> float:
    """What a process has taken of a CPU so far."""
    return procfs.cpu_ns(pid) / 1e9


def _megabytes(path: Path, name: str) -> float:
    return _field(path, name) * 1024 / 1e6


def _field(path: Path, name: str) -> int:
    """A number that a file in /proc has under a name."""
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(f"{name}:"))
