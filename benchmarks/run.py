"""Runs the benchmarks: `python -m benchmarks.run [NAME ...] [--quick]`, all of them by default. Needs root.

Prints a table of medians with their spread and how costs grow with their work, and writes build/bench/results.json (the
values of all runs) and pictures beside it.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from benchmarks import (
    agents,
    breakpoints,
    calibration,
    churn,
    closing,
    cluster,
    containers,
    crowd,
    dumps,
    footprint,
    growth_curves,
    hits,
    installing,
    large_store,
    lasting,
    megabytes,
    onset,
    otlp,
    parking,
    proving,
    requests,
    results,
    sampling,
    scans,
    sources,
    starting,
    stops,
    survival,
    targets,
    timers,
    verdicts,
    web,
)
from benchmarks.effort import FULL, QUICK, Effort
from benchmarks.results import Row

BENCHMARKS: dict[str, Callable[[Effort], Iterator[Row]]] = {
    "life": targets.life,
    "park": targets.park,
    "hits": hits.hits,
    "parking": lambda effort: parking.parking(1 + effort.rounds // 4, 6 * effort.seconds),
    "sampling": lambda effort: sampling.sampling(1 + effort.rounds // 8, 3 * effort.seconds),
    "sampling_together": lambda _: sampling.sampling_together(),
    "rates": targets.rates,
    **{name: partial(requests.requests, name) for name in requests.SERVERS},
    "limits": requests.limits,
    **{f"onset_{name}": partial(onset.onset, name) for name in requests.SERVERS},
    "lives": requests.lives,
    "prices": requests.prices,
    "work": requests.work,
    "budget": targets.budget,
    "reading": lambda effort: agents.readings(effort.rounds),
    "scans": scans.scans,
    "timers": timers.timers,
    "dumps": lambda effort: dumps.dumps(effort.rounds),
    "verdict": verdicts.verdicts,
    "start": lambda effort: starting.starting(effort.rounds),
    "install": installing.installing,
    "cluster": cluster.cluster,
    "stops": stops.stops,
    "breakpoints": breakpoints.breakpoints,
    "survival": survival.survival,
    "sources": sources.sources,
    "attach": lambda effort: agents.attach(effort.rounds),
    "calibration": lambda effort: calibration.calibration(effort.rounds),
    "closing": closing.closing,
    "churn": lambda effort: churn.churn(thorough=effort.thorough),
    "proving": lambda effort: proving.proving(effort.rounds),
    "footprint": lambda effort: footprint.footprint(effort.watched_seconds),
    "megabytes": lambda _effort: megabytes.megabytes(),
    "lasting": lambda effort: lasting.lasting(2 * effort.watched_seconds),
    "crowd": lambda effort: crowd.crowd(effort.watched_seconds),
    "containers": lambda effort: containers.containers(effort.watched_seconds),
    "web": web.web,
    "large_store": large_store.large_store,
    "otlp": otlp.otlp,
    "growth": lambda effort: growth_curves.growth(effort.rounds),
}
#: Names for several.
GROUPS = {"requests": tuple(requests.SERVERS), "onset": tuple(f"onset_{name}" for name in requests.SERVERS)}


def main() -> int:
    """Measures what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*BENCHMARKS, *GROUPS)))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, less work in each")
    options = parser.parse_args()
    if unknown := set(options.names) - BENCHMARKS.keys() - GROUPS.keys():
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join((*BENCHMARKS, *GROUPS))}")
    rows: list[Row] = []
    for name in chain.from_iterable(GROUPS.get(name, (name,)) for name in options.names or BENCHMARKS):
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += BENCHMARKS[name](QUICK if options.quick else FULL)
    print(results.table(rows))
    for line in results.growth(rows):
        print(line)
    path = results.write(rows)
    print(f"written to {path.relative_to(results.ROOT)}, {results.pictures(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
