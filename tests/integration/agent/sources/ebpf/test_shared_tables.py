"""Whoever fills a table that all processes share loses counts of his own; everybody else is counted as before."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import go_programs
from tests.go_programs import GoProgram, site_line
from tests.integration.watching import Watch, watching
from tests.intruder import USER, Ground, ground

pytestmark = pytest.mark.usefixtures("ebpf")

#: More made-up go statements than the kernel's table has entries.
TOO_MANY = 140_000


@pytest.fixture
def churn() -> Iterator[Ground]:
    with ground(go_programs.build("churn")) as found:
        yield found


def counted_beside(watch: Watch, place: Ground, goroutines: int = 500) -> None:
    """A new process of the same file, which is counted in full."""
    with GoProgram(place.program) as program:
        program.ask(f"run {goroutines}")
        watch.observe()
        counted = watch.counts(program.pid, "main.spawn", site_line("churn", "spawn"))
        assert counted == (goroutines, goroutines)
        assert watch.process(program.pid).precise


def wait_until_freed(watch: Watch) -> None:
    end = time.monotonic() + 60
    while watch.monitor.source.counters().images():
        assert time.monotonic() < end, "something is kept of processes that have ended"
        watch.observe()
        time.sleep(0.05)


@pytest.mark.parametrize(("processes", "times"), [(1, TOO_MANY), (40, TOO_MANY // 40), (2_000, 70)])
def test_made_up_go_statements_cost_no_other_process_its_counts(churn: Ground, processes: int, times: int) -> None:
    with watching(exe=str(churn.program)) as watch:
        watch.know(churn.program)
        with churn.intruding("created", processes, times):
            watch.observe()
            assert watch.losses["sites_full"] > 0
            counted_beside(watch, churn)
        wait_until_freed(watch)
        counted_beside(watch, churn)


def test_a_process_with_too_many_go_statements_keeps_its_totals_and_is_not_called_precise(churn: Ground) -> None:
    with watching(exe=str(churn.program)) as watch:
        watch.know(churn.program)
        with churn.intruding("created", 0, TOO_MANY) as pid:
            watch.observe()
            counters = watch.monitor.source.counters()
            (image,) = counters.sites
            assert sum(total.created for total in counters.sites[image]) == TOO_MANY
            assert counters.lost[image] == watch.losses["sites_full"]
            assert 0 < len(counters.sites[image]) - 1 == TOO_MANY - watch.losses["sites_full"]
        watch.observe_until_ended(pid)  # what it was is asked when it has ended: it is taken for the file's
        assert not watch.process(pid).precise
        assert sum(row.created for row in watch.sites.values() if row.process.pid == pid) == TOO_MANY


def test_every_entry_is_free_again_when_its_process_has_ended(churn: Ground) -> None:
    with watching(exe=str(churn.program)) as watch:
        watch.know(churn.program)
        kept = []
        for _ in range(12):
            with churn.intruding("created", 1, 20_000):
                kept.append(max(map(len, watch.monitor.source.counters().sites.values())))
            wait_until_freed(watch)
        # Now and then the kernel has no entry at hand in time; room that is not given back is gone for good.
        assert max(kept[6:]) == max(kept[:6])


def test_an_ordinary_user_takes_no_other_users_room_with_pauses(churn: Ground) -> None:
    with watching(exe=str(churn.program)) as watch:
        watch.know(churn.program)
        with churn.intruding("stopped", 2_000, 1), GoProgram(churn.program) as program:
            program.ask("run 500")
            watch.observe()
            assert watch.losses["worlds_full"] == 0
            assert watch.process(program.pid).precise
        wait_until_freed(watch)


def test_a_flood_of_cycles_leaves_room_for_the_events_of_others(churn: Ground) -> None:
    with watching(exe=str(churn.program)) as watch:
        watch.know(churn.program)
        with churn.intruding("mark_termination", 4, 20_000), GoProgram(churn.program) as program:
            program.ask("run 500")
            assert any(event.tgid == program.pid for event in watch.monitor.source.events())
            watch.monitor.scan()
            watch.observe()
            counters = watch.monitor.source.counters()
            assert counters.losses["events_full"] > 0
            assert sum(counters.lost.values()) == counters.losses["events_full"]
            assert watch.process(program.pid).precise
            assert not any(count for image, count in counters.lost.items() if image.tgid == program.pid)


def test_an_exit_that_cannot_be_read_makes_only_its_own_process_imprecise(churn: Ground) -> None:
    with watching(exe=str(churn.program)) as watch:
        watch.know(churn.program)
        with churn.intruding("exited", 1, 100):
            counters = watch.monitor.source.counters()
            assert list(counters.lost.values()) == [100] == [counters.losses["gopc_unreadable"]]
            counted_beside(watch, churn)


def test_made_up_wait_reasons_cost_no_other_process_its_parks(churn: Ground) -> None:
    with watching(exe=str(churn.program)) as watch, GoProgram(churn.program) as program:
        watch.know(churn.program)
        watch.observe()
        source = watch.monitor.source
        (number,) = watch.monitor.files.attachments.numbers()
        window = source.park_window(number, 600, [program.pid])
        assert window is not None
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(window.run)
            try:
                while not source.losses()["parks_full"]:
                    with churn.intruding("parked", 300, 256):
                        program.ask("run 500")
            finally:
                window.end()
            done.result()
        assert window.sample is not None
        parks = {image.tgid: counts for image, counts in window.sample.parks.items()}
        assert sum(parks[program.pid].values()) > 0
        watch.observe()
        assert watch.process(program.pid).precise


def test_a_storm_of_execs_takes_half_of_the_numbers_and_they_are_freed_though_no_end_is_reported(churn: Ground) -> None:
    with watching(exe=str(churn.program)) as watch:
        watch.know(churn.program)
        before = len(watch.monitor.source.execs())
        storm = "i=0; while [ $i -lt 17000 ]; do /bin/true; i=$((i+1)); done"
        subprocess.run(["/bin/sh", "-c", storm], check=True, user=USER, group=USER)
        losses = watch.monitor.source.losses()
        assert losses["events_full"] > 0
        assert losses["images_full"] > 0
        with GoProgram(churn.program, user=USER) as program:  # of the user who has no room left
            program.ask("run 500")
            counted_beside(watch, churn)
            assert watch.counts(program.pid, "main.spawn") == (500, 500)
            assert not watch.process(program.pid).precise
        end = time.monotonic() + 60
        while len(watch.monitor.source.execs()) > before + 100:
            assert time.monotonic() < end, "numbers of execs are kept of processes that have ended"
            watch.observe()


def test_one_users_share_does_not_depend_on_anothers(churn: Ground) -> None:
    with watching(exe=str(churn.program)) as watch:
        watch.know(churn.program)
        with churn.intruding("created", 200, 1_000, USER), churn.intruding("created", 200, 1_000, USER - 1):
            counted_beside(watch, churn)
