"""A snapshot of memory says how old a site's goroutines are, also by what all others of the process wait."""

from gosonde_collector.analysis.ages import ages_by_goid
from gosonde_collector.analysis.matching import goids_of
from gosonde_collector.evidence.model import MEMORY, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.store.records import Snapshot
from gosonde_common.values.ages import Ages

from tests.unit.collector.batches import SECOND, SITE, START, process
from tests.unit.collector.series import series_of, steps

STATEMENT, OTHER = Frame("main.serve", "main.go", 42), Frame("main.other", "main.go", 7)


def snapshot(*groups: GoroutineGroup, age_s: int = 1_000) -> Snapshot:
    taken = START + age_s * SECOND
    return Snapshot("1", taken, GoroutineProfile(MEMORY, groups, taken))


def waiting(goids: list[int], wait_s: int, created_by: Frame = STATEMENT) -> GoroutineGroup:
    return GoroutineGroup(len(goids), (), created_by, "chan receive", wait_s, tuple(goids))


def ages_of(found: Snapshot) -> Ages:
    return ages_by_goid(found, SERIES).of(goids_of(found.profile, SITE))


SERIES = series_of(steps([40]), process())


def test_goroutines_are_as_old_as_younger_ones_of_other_sites_have_waited() -> None:
    found = ages_of(snapshot(waiting([1, 9], 0), waiting([5], 70, OTHER)))
    assert [(bar.at_least_ns // SECOND, bar.goroutines) for bar in found.bars] == [(60, 1)]
    assert (found.not_known, found.even) == (1, None)


def test_a_leak_that_began_with_the_program_is_even_and_a_pool_is_not() -> None:
    leaked = [waiting([number], 1_000 - 25 * number) for number in range(1, 40)]
    assert SITE.line == STATEMENT.line
    assert ages_of(snapshot(*leaked)).even is True
    assert ages_of(snapshot(waiting(list(range(1, 40)), 999))).even is False


def test_no_goroutine_is_older_than_the_program() -> None:
    found = ages_of(snapshot(waiting([1], 5_000), age_s=30))
    assert [(bar.at_least_ns // SECOND, bar.goroutines) for bar in found.bars] == [(10, 1)]
