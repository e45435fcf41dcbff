"""Where creations and exits of a site are estimated, its live count decides, and what is said of them has its error."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from gosonde_collector.analysis.amounts import Amount, gained
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.growth import find_growth
from gosonde_collector.analysis.persistence import Persistence, served
from gosonde_collector.analysis.steps import Steps
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.store.records import Estimates

from tests.unit.collector.batches import SECOND, SITE, START, batch, process
from tests.unit.collector.series import series_of, steps

SAMPLED = process(level="sampled", precise=False)
#: Estimates of so many in all, and what lies between the bounds.
Bounded = tuple[int, int, int]


def bounded(number: int, error: float = 0.1) -> Bounded:
    return number, round(number * (1 - error)), round(number * (1 + error))


def feed(
    store: DuckDBStore,
    live: Sequence[int],
    estimated: Callable[[int], Sequence[int]],
    first: int = 1,
) -> None:
    """One batch a second: so many of SITE live, none of which exits, and (created, low, high, exited, low, high)."""
    store.append(
        [
            batch(
                second,
                processes=[SAMPLED],
                counters=[(0, SITE.pc, number, 0), (0, 0, 10**9 * second, 10**9 * second)],
                estimates=[(0, SITE.pc, *estimated(second))],
            )
            for second, number in enumerate(live, first)
        ]
    )


def found(store: DuckDBStore) -> list[Finding]:
    analyst = Analyst(store)
    analyst.run()
    return analyst.findings(ProcessFilter())


def churn(second: int) -> Sequence[int]:
    return bounded(50_000 * second) * 2


@pytest.mark.parametrize(
    "estimated",
    [
        lambda second: (1_000 * second, 900 * second, 1_100 * second, 0, 0, 0),
        lambda second: (*bounded(10**6 * second), *bounded(10**3 * second)),
        lambda second: (*bounded(10**9 * second**2), *bounded(5 * second)),
        lambda second: (*bounded(10**9 // second), *bounded(10**9 // second)),
    ],
    ids=["no exits", "few exits", "ever faster", "falling"],
)
def test_an_estimate_alone_never_opens_a_finding(store: DuckDBStore, estimated: Callable[[int], Sequence[int]]) -> None:
    feed(store, [7] * 120, estimated)
    assert found(store) == []


def test_an_estimate_that_hides_exits_makes_no_finding_of_what_would_be_none() -> None:
    """One goroutine in ten exits for certain, and too few stay to be told from chance."""
    made = steps([second // 5 for second in range(1, 61)], [second // 50 for second in range(1, 61)])
    assert find_growth(made) is None
    many = estimates([bounded(10**6 * second) for second in range(61)], [(0, 0, 0)] * 61)
    assert find_growth(replace(made, estimates=many)) is None


def test_a_leak_beside_estimated_churn_is_found_by_its_live_count_as_soon_as_one_without(store: DuckDBStore) -> None:
    feed(store, [5 * second for second in range(1, 51)], churn)
    (finding,) = found(store)
    assert (finding.state, finding.live) == ("opened", 250)
    assert finding.growth_per_second == pytest.approx(5, rel=0.1)


def test_what_the_events_say_of_a_sampled_site_contains_the_estimate_and_its_bounds(store: DuckDBStore) -> None:
    feed(store, [5 * second for second in range(1, 51)], churn)
    (finding,) = found(store)
    (events,) = [witness for witness in finding.witnesses if witness.name == "events"]
    assert events.verdict == "agrees"
    assert re.match(r"in the last \d+ s ~2250225 \(", events.detail)
    assert "; since counting began ~2500250 (2250250 to 2750250) created and ~2500000 (2250000 to 2750000) exited" in (
        events.detail
    )
    assert finding.pattern == "some exit"
    assert 0.3 <= finding.confidence < 0.4


def test_without_estimates_numbers_are_said_as_they_are(store: DuckDBStore) -> None:
    store.append([batch(second, counters=[(0, SITE.pc, 5 * second, 0)]) for second in range(1, 51)])
    (finding,) = found(store)
    (events,) = [witness for witness in finding.witnesses if witness.name == "events"]
    assert events.detail.startswith("in the last 45 s 225 created and 0 exited")
    assert "~" not in events.detail


def estimates(rows: Sequence[Bounded], exits: Sequence[Bounded] | None = None) -> Estimates:
    """One of each second."""
    times = START + SECOND * np.arange(len(rows), dtype=np.int64)
    return Estimates(times, np.array(rows, np.int64).T, np.array(exits or rows, np.int64).T)


def sampled(live: Sequence[int], rows: Sequence[Bounded]) -> Steps:
    """A live count after each second, and what is estimated of creations and exits alike."""
    return replace(steps(live), estimates=estimates(rows))


def test_live_counts_are_exact_whatever_is_estimated() -> None:
    made = sampled([3, 4, 5], [bounded(n) for n in (0, 10**6, 10, 10**7)])
    assert made.live.tolist() == [0, 3, 4, 5]
    assert made.begun.tolist() == [0, 10**6 + 3, 10**6 + 3, 10**7 + 5]
    assert (made.ended >= 0).all()


@pytest.mark.parametrize(
    ("before", "now", "amount"),
    [
        ((0, 0, 0), (100, 80, 130), (100, 80, 130)),
        ((100, 80, 130), (100, 80, 130), (0, 0, 0)),
        # As sure as the whole: a tenth.
        ((1_000, 900, 1_100), (2_000, 1_800, 2_200), (1_000, 827, 1_173)),
        # The error of the whole did not grow; half of the whole is half as sure.
        ((1_000, 900, 1_100), (2_000, 1_900, 2_100), (1_000, 950, 1_050)),
        # It was too high by 30, and what came since is not known better.
        ((100, 60, 140), (70, 60, 80), (0, 0, 30)),
    ],
)
def test_a_rise_of_an_estimate_has_the_error_of_its_time(before: Bounded, now: Bounded, amount: Bounded) -> None:
    assert gained(before, now) == Amount(*amount)


def test_more_load_explains_growth_only_beyond_the_error_of_the_estimates() -> None:
    """The live count rises by half; so does what is created and exits, if the estimate is right."""
    seconds = range(1, 61)
    live = [200 + round(1.7 * second) for second in seconds]
    rising = np.cumsum([0, *(1_000 + 40 * second for second in seconds)]).tolist()

    def grows(error: float) -> bool:
        return find_growth(sampled(live, [bounded(number, error) for number in rising])) is not None

    assert not grows(0.01)
    assert grows(0.9)


def test_exits_that_may_be_an_error_are_not_said_to_be_there_and_delay_no_finding() -> None:
    """Eight goroutines in a minute stay, and perhaps some exited beside them."""
    leak = [min(second // 6, 8) + second // 30 for second in range(1, 61)]

    def shape(low: int) -> str:
        found = find_growth(sampled(leak, [(second, low * second // 2, 9 * second) for second in range(61)]))
        return found.shape if found else ""

    assert shape(0) == "steady"
    assert shape(1) == ""
    assert find_growth(steps(leak)) is not None


def test_exits_that_may_be_an_error_say_nothing_of_whose_turn_comes() -> None:
    made = sampled([100] * 60, [(20 * second, 0, 40 * second) for second in range(61)])
    kept = Persistence("memory", START + 10 * SECOND, START + 50 * SECOND, 100, 100, 100)
    series = replace(series_of(made, SAMPLED), estimates=made.estimates)
    assert served(series, kept) is None
    surer = replace(series, estimates=estimates([(20 * second, 19 * second, 21 * second) for second in range(61)]))
    assert served(surer, kept) is False


def test_the_store_gives_the_estimates_of_the_period_and_the_last_before_it(store: DuckDBStore) -> None:
    feed(store, [7] * 30, lambda second: (*bounded(100 * second), *bounded(50 * second)))
    (number,) = store.running()
    found = store.estimates([(number, SITE.pc), (number, 99)], 10 * SECOND)
    assert list(found) == [(number, SITE.pc)]
    got = found[number, SITE.pc]
    assert ((got.unix_nano - START) // SECOND).tolist() == list(range(19, 31))
    assert got.created[0].tolist() == [100 * second for second in range(19, 31)]
    assert got.exited[:, -1].tolist() == list(bounded(1_500))
    assert store.estimates([], SECOND) == {}
