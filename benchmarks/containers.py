"""What the agent takes on a node with 200 containers, all of them Go programs whose names it asks containerd for."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.agents import Agent, launched
from benchmarks.results import Row
from tests.containerd import Containerd

CONTAINERS = 200
NAMESPACE = "crowd"
#: Each program makes a goroutine at so many sites as often: 10 a second.
COMMAND = ("/sites", "1000", "10")
#: Until all are known by name and have a baseline.
MOST_SECONDS = 300.0
ASK_SECONDS = 5.0


def containers(seconds: float) -> Iterator[Row]:
    """From when the agent names all of them on."""
    with tempfile.TemporaryDirectory(prefix="gosonde-cri.") as folder, Containerd(Path(folder)) as runtime:
        for number in range(CONTAINERS):
            runtime.run(f"shop-{number}", NAMESPACE, "server", {}, COMMAND)
        with launched(cri=f'"unix:{runtime.socket}"', allow=f'["namespace:{NAMESPACE}"]') as running:
            running.wait_until_started()
            began = time.monotonic()
            _wait_for_names(running)
            yield Row("containers", f"{CONTAINERS} containers", "s to all names", (time.monotonic() - began,))
            (helper,) = running.process.children()
            both = (running.process, helper)
            before, began = _cpu_seconds(both), time.monotonic()
            time.sleep(seconds)
            percent = 100 * (_cpu_seconds(both) - before) / (time.monotonic() - began)
            yield Row("containers", f"{CONTAINERS} containers", "% of one core, agent and helper", (percent,))
            for name, process in zip(("agent", "helper"), both, strict=True):
                megabytes = process.memory_info().rss / 1e6
                yield Row("containers", f"{CONTAINERS} containers", f"MB resident, {name}", (megabytes,))


def _wait_for_names(running: Agent) -> None:
    end = time.monotonic() + MOST_SECONDS
    named = 0
    while named < CONTAINERS:
        assert time.monotonic() < end, f"after {MOST_SECONDS:.0f} s {named} containers have a name"
        time.sleep(ASK_SECONDS)
        seen = running.observation()
        named = sum(process.container.namespace == NAMESPACE for process in seen.processes) if seen else 0


def _cpu_seconds(processes: tuple[psutil.Process, ...]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)
