"""What measuring the cost of a hit takes at its start, and what it finds: on the host as it is, and on a busy one."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts

from benchmarks.results import Row
from tests.busy_host import busy_host

BUSY_LOOPS = 8
AS_IT_IS, BUSY = "as the host is", f"beside {BUSY_LOOPS} busy loops"
HOSTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    AS_IT_IS: nullcontext,
    BUSY: lambda: busy_host(-(-BUSY_LOOPS // (os.cpu_count() or 1))),
}
FIGURES = ("emulated", "single_stepped", "exited")


def calibration(rounds: int) -> Iterator[Row]:
    """Each time as an agent that has just been started does it, in turn on each host."""
    found: defaultdict[str, list[tuple[HitCosts, float]]] = defaultdict(list)
    for _ in range(rounds):
        for case, host in HOSTS.items():
            with host():
                found[case].append(_measured())
    for case, measured in found.items():
        yield Row("calibration", case, "ms until it is known", tuple(ms for _, ms in measured))
        yield Row("calibration", case, "% it may be wrong by", tuple(100 * costs.error for costs, _ in measured))
        yield Row("calibration", case, "% of the rounds disturbed", tuple(100 * one.disturbed for one, _ in measured))
        for name in FIGURES:
            values = tuple(getattr(costs, name) for costs, _ in measured)
            yield Row("calibration", f"{case}: {name}", "ns a hit", values)
    for name in FIGURES[:2]:
        pairs = zip(found[AS_IT_IS], found[BUSY], strict=True)
        values = tuple(100 * (getattr(busy, name) / getattr(alone, name) - 1) for (alone, _), (busy, _) in pairs)
        yield Row("calibration", f"busy / as it is: {name}", "% dearer", values, compared=True)


def _measured() -> tuple[HitCosts, float]:
    """The costs, and how many ms it took to measure them."""
    source = EbpfSource(load_probes())
    try:
        began = time.monotonic()
        return source.hit_costs(), 1e3 * (time.monotonic() - began)
    finally:
        source.close()
