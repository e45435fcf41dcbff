"""How long goroutines wait is shown in classes of four times the width, without those beyond any goroutine."""

from gosonde_collector.analysis.wait_ages import WaitAges, wait_ages
from gosonde_collector.evidence.model import GoroutineGroup


def test_waits_fall_into_classes_and_classes_between_are_kept() -> None:
    groups = [GoroutineGroup(3, (), wait_s=seconds) for seconds in (1, 3, 70)]
    assert wait_ages(groups) == (
        WaitAges(1, 4, 6),
        WaitAges(4, 16, 0),
        WaitAges(16, 64, 0),
        WaitAges(64, 256, 3),
    )


def test_a_wait_that_is_not_noted_is_in_the_first_class_and_an_endless_one_in_the_last() -> None:
    classes = wait_ages([GoroutineGroup(1, ()), GoroutineGroup(2, (), wait_s=1 << 40)])
    assert (classes[0], classes[-1]) == (WaitAges(0, 1, 1), WaitAges(4**12, None, 2))


def test_without_goroutines_there_are_no_classes() -> None:
    assert wait_ages([]) == ()
