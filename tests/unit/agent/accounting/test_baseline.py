"""The baseline of a site is what every reading allows, and a reading that none allows is a disagreement."""

import random

from gosonde_agent.accounting.baseline import Baseline, Reading

SITE = 7


def reading(before: tuple[int, int], live: int, after: tuple[int, int]) -> Reading:
    """A reading of one site."""
    return Reading({SITE: before}, {SITE: live}, {SITE: after})


def test_a_quiet_site_is_exact_at_once() -> None:
    baseline = Baseline(known=False)
    assert baseline.take([reading((3, 1), 42, (3, 1))]) == 0
    assert baseline.of(SITE) == 40
    assert not baseline.uncertain


def test_a_site_that_no_reading_showed_had_none() -> None:
    baseline = Baseline(known=False)
    baseline.take([Reading({}, {}, {})])
    assert baseline.of(SITE) == 0
    assert not baseline.uncertain


def test_a_busy_site_becomes_exact_in_a_quiet_moment() -> None:
    baseline = Baseline(known=False)
    baseline.take([reading((100, 90), 25, (110, 105))])
    assert baseline.uncertain
    baseline.take([reading((200, 195), 20, (200, 195))])
    assert baseline.of(SITE) == 15
    assert not baseline.uncertain


def test_no_more_lived_before_than_the_runtime_ever_had_room_for() -> None:
    baseline = Baseline(known=False)
    baseline.take([Reading({SITE: (100, 100)}, {SITE: 40}, {SITE: (900, 1_000)}, most=60)])
    assert baseline.bounds(SITE) == (0, 60)


def test_who_has_exited_without_being_created_lived_before() -> None:
    baseline = Baseline(known=False)
    assert baseline.of(SITE, (100, 130)) == 30
    baseline.take([reading((100, 130), 5, (110, 145))])
    assert baseline.bounds(SITE) == (25, 50)
    assert [baseline.of(SITE, counts) for counts in ((200, 230), (200, 245))] == [38, 45]
    baseline.take([reading((200, 245), 0, (200, 245))])
    assert [baseline.of(SITE, counts) for counts in ((200, 245), (200, 250))] == [45, 45]


def test_the_true_baseline_is_never_excluded() -> None:
    """Goroutines come and go at random while a reading takes its time; the interval must hold the truth."""
    generator = random.Random(4)
    for _ in range(300):
        truth = generator.randrange(50)
        created = exited = 0
        baseline = Baseline(known=False)
        for _ in range(6):
            before = created, exited
            seen = 0
            for _ in range(generator.randrange(8)):
                if generator.random() < 0.5:
                    created += 1
                elif truth + created - exited:
                    exited += 1
                if generator.random() < 0.5:
                    seen = truth + created - exited
            # Whatever moment memory shows, it is one between the counters.
            live = seen or truth + created - exited
            assert baseline.take([reading(before, live, (created, exited))]) == 0
            site = baseline.sites[SITE]
            assert site.low <= truth <= site.high


def test_events_that_were_lost_show_as_a_mismatch_once() -> None:
    baseline = Baseline(known=True)
    assert baseline.take([reading((10, 10), 0, (10, 10))]) == 0
    assert baseline.take([reading((10, 10), 4, (10, 10))]) == 4
    assert baseline.mismatch(SITE) == 4
    assert baseline.take([reading((10, 10), 4, (10, 10))]) == 0
    assert baseline.take([reading((10, 10), 6, (10, 10))]) == 2
    assert baseline.take([reading((16, 10), 6, (16, 10))]) == 0
    assert baseline.mismatch(SITE) == 0
    assert baseline.of(SITE) == 0


def test_one_reading_that_caught_a_goroutine_on_its_way_is_no_mismatch() -> None:
    baseline = Baseline(known=True)
    assert baseline.take([reading((1, 0), 0, (1, 0)), reading((1, 0), 1, (1, 0))]) == 0
    assert baseline.mismatch(SITE) == 0


def test_first_readings_that_contradict_each_other_leave_both_possible() -> None:
    baseline = Baseline(known=False)
    baseline.take([reading((0, 0), 5, (0, 0)), reading((1, 0), 5, (1, 0))])
    site = baseline.sites[SITE]
    assert (site.low, site.high) == (4, 5)
    assert baseline.uncertain
