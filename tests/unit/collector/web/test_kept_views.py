"""Whoever looks at a process just after somebody else sees the same; the store is asked once."""

from typing import cast

import pytest
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.web.kept_views import KEPT_S, MOST_KEPT, KeptViews
from gosonde_collector.web.process_view import ProcessView


class Asked:
    """A store that counts how often it is asked, and a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.asked: list[tuple[ProcessFilter, str]] = []
        self.time = 100.0

    def view(self, which: ProcessFilter, key: str) -> ProcessView:
        if key == "missing":
            raise LookupError
        self.asked.append((which, key))
        return cast("ProcessView", object())


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def views(asked: Asked) -> KeptViews:
    return KeptViews(asked.view, lambda: asked.time)


def test_a_view_is_made_once_until_it_is_too_old(asked: Asked, views: KeptViews) -> None:
    first = views.of(ProcessFilter("a", 1), "")
    asked.time += KEPT_S / 2
    assert views.of(ProcessFilter("a", 1), "") is first
    asked.time += KEPT_S
    assert views.of(ProcessFilter("a", 1), "") is not first
    assert len(asked.asked) == 2


def test_each_process_has_a_view_of_its_own(asked: Asked, views: KeptViews) -> None:
    places = [(ProcessFilter("a", 1), ""), (ProcessFilter("a", 1), "key"), (ProcessFilter("b", 1), "")]
    assert len({id(views.of(*place)) for place in places}) == 3
    assert asked.asked == places


def test_few_views_are_kept_and_the_oldest_goes_first(asked: Asked, views: KeptViews) -> None:
    for pid in range(MOST_KEPT + 1):
        views.of(ProcessFilter("a", pid), "")
    for pid in (0, MOST_KEPT):
        views.of(ProcessFilter("a", pid), "")
    assert [which.pid for which, _ in asked.asked] == [*range(MOST_KEPT + 1), 0]


def test_a_process_that_is_not_there_is_asked_for_each_time(views: KeptViews) -> None:
    for _ in range(2):
        with pytest.raises(LookupError):
            views.of(ProcessFilter("a", 1), "missing")
