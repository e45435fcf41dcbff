"""From which age on what is said of a process counts as stale."""

from gosonde_common.staleness import is_stale

SECOND = 1_000_000_000


def test_within_fifteen_seconds_nothing_is_stale_however_short_the_interval() -> None:
    assert not is_stale(15 * SECOND, SECOND // 10)
    assert is_stale(15 * SECOND + 1, SECOND // 10)


def test_an_agent_that_observes_rarely_may_be_silent_for_three_intervals() -> None:
    assert not is_stale(180 * SECOND, 60 * SECOND)
    assert is_stale(181 * SECOND, 60 * SECOND)


def test_without_an_interval_fifteen_seconds_count() -> None:
    assert is_stale(16 * SECOND, 0)
