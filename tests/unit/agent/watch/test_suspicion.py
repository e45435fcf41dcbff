"""What rises without ends is suspicious within a second or two; what comes and goes, and what was searched, is not."""

from gosonde_agent.watch.suspicion import RISE, Suspicion
from gosonde_common.values.observation import Process, ProcessKey, SiteCount

from tests.unit.agent.observations import process, site

ONE = process(1)
PC = 7


def row(created: int, exited: int = 0, baseline: int = 0, of: Process = ONE) -> SiteCount:
    return SiteCount(of.key, site(of, PC), created, exited, baseline)


def rising(suspicion: Suspicion, key: ProcessKey = ONE.key) -> dict[int, int]:
    known = suspicion.of(key)
    return known.rising if known else {}


def noted(*rows: SiteCount, suspicion: Suspicion | None = None, first: float = 1.0) -> Suspicion:
    suspicion = suspicion or Suspicion()
    for second, one in enumerate(rows):
        suspicion.note([ONE], [one], first + second)
    return suspicion


def test_a_few_goroutines_that_do_not_end_raise_a_suspicion_at_the_first_look() -> None:
    assert rising(noted(row(RISE - 1))) == {}
    assert rising(noted(row(RISE))) == {PC: RISE}


def test_goroutines_that_end_raise_none() -> None:
    assert rising(noted(row(1_000, 990), row(2_000, 1_988))) == {}


def test_a_rise_among_exits_must_be_larger_and_last() -> None:
    counts = [row(100 * second, 98 * second) for second in range(1, 30)]
    assert rising(noted(*counts[:15])) == {}
    assert rising(noted(*counts)) == {PC: 58}


def test_goroutines_that_lived_before_are_no_rise() -> None:
    suspicion = noted(row(0), row(0, baseline=500))
    assert rising(suspicion) == {}
    known = suspicion.of(ONE.key)
    assert known is not None
    assert known.holds


def test_after_a_search_a_site_must_rise_by_half_again() -> None:
    suspicion = noted(row(100))
    suspicion.searched(ONE.key, 2.0)
    assert rising(suspicion) == {}
    assert rising(noted(row(149), suspicion=suspicion, first=3.0)) == {}
    assert rising(noted(row(150), suspicion=suspicion, first=4.0)) == {PC: 50}


def test_a_count_that_falls_back_begins_anew_there() -> None:
    assert rising(noted(row(20), row(40, 40), row(45, 40))) == {}


def test_a_process_that_has_ended_or_is_refused_is_forgotten() -> None:
    suspicion = noted(row(RISE))
    ended = process(1, ended_unix_nano=9)
    suspicion.note([ended], [row(RISE)], 3.0)
    assert list(suspicion.all()) == []
