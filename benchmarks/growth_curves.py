"""How soon the rule of growth finds a leak, and how often it takes for one what is none, over synthetic series.

Usage: python -m benchmarks.growth_curves [--runs 40]; `python -m benchmarks.run growth` makes rows of some of it.

An agent looks at a site at uneven intervals, each between half and one and a half times the one named; what is stored
by then is judged. Prints the tables of docs/accuracy.md; the same runs give the same numbers anywhere. Neither root nor
an agent is needed.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from gosonde_collector.analysis.finding import RISING, judge
from gosonde_collector.analysis.steps import Steps

from benchmarks.results import Row
from tests.unit.collector import synthetic
from tests.unit.collector.synthetic import Lives

SHARES: Final = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
INTERVALS: Final = (1, 2, 5, 10, 16, 20)
RATES: Final = (0.02, 0.1, 1.0, 10.0, 100.0, 1_000.0)
#: Seconds over which healthy sites are judged, and the least time between two judgements of one.
HEALTHY_S, JUDGED_S = 900.0, 4.0
#: A leak is looked for until so many of its goroutines stay, for so many seconds at least.
ENOUGH, ENOUGH_S = 60, 300.0

Healthy = Callable[[np.random.Generator], Lives]


def waves(rate: float, period_s: float) -> Healthy:
    """Requests of two seconds each, nine in ten of which follow the time of day."""
    return lambda random: synthetic.population(
        random, lambda t: rate * (1 - 0.9 * np.cos(2 * np.pi * t / period_s)), 2, HEALTHY_S
    )


def settling(rate: float, lifetime_s: float, size: int = 0) -> Healthy:
    """Members that come at an even rate, each for a while."""
    return lambda random: synthetic.population(random, rate, lifetime_s, HEALTHY_S, size)


def batches(size: int, every_s: float, rise_s: float) -> Healthy:
    """Work that comes in batches."""
    return lambda random: synthetic.batches(random, size, every_s, rise_s, HEALTHY_S)


def arriving(per_second: float, rise_s: float) -> Healthy:
    """Clients or workers that come at an even pace, until all are there."""
    return lambda _: synthetic.ramp(per_second, rise_s)


HEALTHY: Final[dict[str, Sequence[Healthy]]] = {
    "level, members live 1 to 120 s": [settling(n / t, t, n) for n in (20, 300, 3_000) for t in (1, 10, 120)],
    "filling up, members live 5 to 60 s": [settling(r, t) for r in (0.5, 5, 50, 500) for t in (5, 20, 60)],
    "filling up, members live 200 s": [settling(r, 200) for r in (0.5, 5, 50, 500)],
    "filling up, members live 400 s": [settling(r, 400) for r in (0.5, 5, 50, 500)],
    "waves of 60 to 900 s": [waves(r, p) for r in (2, 50, 500) for p in (60, 240, 900)],
    "batches": [batches(*of) for of in ((50, 60, 10), (500, 120, 20), (20, 30, 5), (200, 300, 30))],
    "all there within 1 to 25 s": [arriving(r, s) for r, s in ((100, 1), (20, 10), (8, 25))],
    "all there within 35 s": [arriving(r, 35) for r in (1, 10, 100)],
    "straight ramp of five minutes": [arriving(r, 300) for r in (0.1, 1, 10, 100)],
}


def seconds_to_find(rate: float, share: float, interval: float, runs: int) -> Iterator[float]:
    """Of each run the seconds until the leak was found; infinite when it was not."""
    lasts = max(ENOUGH / rate / (1 - share), ENOUGH_S)
    for seed in range(runs):
        random = np.random.default_rng([seed, round(1_000 * share), round(1_000 * rate), round(interval)])
        seen = synthetic.observed(random, synthetic.leak(random, rate, share, lasts), interval, lasts)
        yield next((second for second, _ in synthetic.growths(seen, 1.0, lasts)), float("inf"))


def alarms(kinds: Sequence[Healthy], interval: float, runs: int) -> tuple[int, int, int]:
    """How many runs there were, of how many something was found, and how often with a confidence above RISING."""
    found = sure = 0
    for kind in kinds:
        for seed in range(runs):
            random = np.random.default_rng([seed, round(interval)])
            confidences = _confidences(synthetic.observed(random, kind(random), interval, HEALTHY_S))
            found += bool(confidences)
            sure += max(confidences, default=0.0) > RISING
    return runs * len(kinds), found, sure


def _confidences(seen: Steps) -> list[float]:
    return [judge(growth, ()) for _, growth in synthetic.growths(seen, JUDGED_S, HEALTHY_S)]


def growth(rounds: int) -> Iterator[Row]:
    """The time to find a leak of 10 a second, by interval and share that exits, and healthy sites that are flagged."""
    for share in SHARES[::3]:
        for interval in INTERVALS:
            seconds = tuple(seconds_to_find(10, share, interval, rounds))
            yield Row("growth", f"{share:.0%} exit", "s to find", seconds, interval, "s between looks")
    for name, kinds in HEALTHY.items():
        counted = (alarms(kinds, interval, max(rounds // 8, 2)) for interval in INTERVALS[::3])
        percents = tuple(100 * sure / runs for runs, _, sure in counted)
        yield Row("growth", name, f"% of runs above {RISING}", percents)


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def _spread(seconds: Iterator[float]) -> str:
    found = np.array(list(seconds))
    middle, late = (np.quantile(found, share, method="higher") for share in (0.5, 0.95))
    return f"{middle:.0f} / {late:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    print(
        "Seconds until a leak is found, 10 created a second, median / 95 of 100, by share that exits and by interval:"
    )
    print()
    head = ["share", *(f"every {interval} s" for interval in INTERVALS)]
    rows = ([f"{p:.0%}", *(_spread(seconds_to_find(10, p, i, runs)) for i in INTERVALS)] for p in SHARES)
    print(table(head, rows))
    print("\nThe same at other rates, by the number that is created a second, seen every 5 s:\n")
    shares = SHARES[::3]
    rows = ([f"{r:g}", *(_spread(seconds_to_find(r, p, 5, max(runs // 4, 4))) for p in shares)] for r in RATES)
    print(table(["a second", *(f"{p:.0%} exit" for p in shares)], rows))
    print(f"\nFindings of healthy sites, and those above {RISING}, of all runs, by the interval:\n")
    few = max(runs // 8, 2)
    chosen = INTERVALS[::3] + INTERVALS[-1:]
    rows = (
        [name, *("{1} and {2} of {0}".format(*alarms(kinds, interval, few)) for interval in chosen)]
        for name, kinds in HEALTHY.items()
    )
    print(table(["site", *(f"every {interval} s" for interval in chosen)], rows))


if __name__ == "__main__":
    main()
