"""What measuring the cost of a hit takes at its start, and what it finds."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict

from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource

from benchmarks.results import Row


def calibration(rounds: int) -> Iterator[Row]:
    """Each time as an agent that has just been started does it."""
    took, found = [], defaultdict(list)
    for _ in range(rounds):
        source = EbpfSource(load_probes())
        try:
            began = time.monotonic()
            costs = asdict(source.hit_costs())
            took.append(1e3 * (time.monotonic() - began))
        finally:
            source.close()
        for name in costs.keys() - {"measured"}:
            found[name].append(costs[name])
    yield Row("calibration", "until it is known", "ms", tuple(took))
    for name, values in sorted(found.items()):
        yield Row("calibration", name, "ns a hit", tuple(values))
