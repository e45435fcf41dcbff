"""Looks at totals are of processes that only memory counts, and what goes wrong with one costs the others nothing."""

import os
import resource
import threading
from dataclasses import replace
from typing import Any, cast

import pytest
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.model.errors import NoSuchProcessError
from gosonde_agent.sources.counters import Image
from gosonde_agent.watch.looks import MAX_COUNTERS, Looks
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import Process, ProcessKey

HERE = os.getpid()


class Counter:
    """Says how many goroutines there are, waits until it may, or fails."""

    def __init__(self, total: int = 0, *, fails: bool = False, waits: threading.Event | None = None) -> None:
        self.total, self.fails, self.waits, self.is_closed = total, fails, waits, False

    def count(self) -> int:
        if self.waits:
            self.waits.wait()
        if self.fails:
            raise NoSuchProcessError("it has ended")
        return self.total

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def processes() -> Processes:
    return Processes()


def add(processes: Processes, number: int, level: Level = Level.MEMORY) -> GoProcess:
    description = Process(ProcessKey("", HERE, number, 1), "", "", "", 0, 0, counted_from_start=True, level=level)
    process = GoProcess(Image(HERE, number, number), None, description)
    processes.add(HERE, number, process)
    return process


def keep(looks: Looks, process: GoProcess, counter: Counter) -> Image:
    assert process.image is not None
    looks.keep(process.image, cast("Any", counter))
    return process.image


def test_a_look_counts_every_process_that_is_counted_from_memory(processes: Processes) -> None:
    looks = Looks(processes)
    images = [keep(looks, add(processes, number), Counter(10 * number)) for number in range(3)]
    look = looks.next()
    assert look is not None
    look.run()
    assert looks.take(look) == dict(zip(images, (0, 10, 20), strict=True))


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.FULL])
def test_whatever_is_not_counted_by_all_probes_is_looked_at(level: Level, processes: Processes) -> None:
    assert Looks(processes).wants(add(processes, 1, level))


def test_what_all_probes_count_is_not_looked_at_and_nothing_of_it_stays_open(processes: Processes) -> None:
    looks, process, counter = Looks(processes), add(processes, 1), Counter()
    keep(looks, process, counter)
    process.description = replace(process.description, level=Level.FULL)
    assert looks.next() is None
    assert counter.is_closed
    assert not looks.wants(process)


def test_a_process_that_has_ended_is_left_out_and_is_asked_for_again_where_it_only_failed(processes: Processes) -> None:
    looks, other, failing = Looks(processes), add(processes, 1), add(processes, 2)
    image = keep(looks, other, Counter(7))
    counter = Counter(fails=True)
    keep(looks, failing, counter)
    look = looks.next()
    assert look is not None
    look.run()
    assert looks.take(look) == {image: 7}
    assert counter.is_closed
    assert looks.wants(failing)
    assert not looks.wants(other)


def test_a_process_that_holds_up_a_look_is_left_out_of_the_next_and_stays_open_meanwhile(processes: Processes) -> None:
    looks, may_go_on = Looks(processes), threading.Event()
    held_up = add(processes, 1)
    counter, behind = Counter(waits=may_go_on), Counter(5)
    keep(looks, held_up, counter)
    image = keep(looks, add(processes, 2), behind)
    first = looks.next()
    assert first is not None
    thread = threading.Thread(target=first.run)
    thread.start()
    while first.current is None:
        thread.join(0.01)
    assert looks.take(first) == {}
    processes.remove(HERE, 1)
    second = looks.next()
    assert second is not None
    second.run()
    assert looks.take(second) == {image: 5}
    assert not counter.is_closed
    may_go_on.set()
    thread.join()
    assert image not in first.found
    looks.next()
    assert counter.is_closed


@pytest.mark.parametrize(
    ("limit", "most"), [(256, 32), (1 << 20, MAX_COUNTERS), (resource.RLIM_INFINITY, MAX_COUNTERS)]
)
def test_no_more_files_are_open_than_a_limit_and_than_an_eighth_of_all(
    limit: int, most: int, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    looks = Looks(processes)
    for number in range(most):
        process = add(processes, number)
        assert looks.wants(process)
        keep(looks, process, Counter())
    assert not looks.wants(add(processes, most))


def test_a_second_counter_of_a_process_is_closed_at_once_and_all_at_the_end(processes: Processes) -> None:
    looks, process, first, second = Looks(processes), add(processes, 1), Counter(), Counter()
    keep(looks, process, first)
    keep(looks, process, second)
    assert (first.is_closed, second.is_closed) == (False, True)
    looks.close()
    assert first.is_closed
