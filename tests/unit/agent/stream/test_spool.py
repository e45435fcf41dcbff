"""What is offered is given out once, again after a rewind, and lost only beyond the bounds, which is counted."""

import hashlib
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from gosonde_agent.model.trail import DROPPED
from gosonde_agent.stream import segments
from gosonde_agent.stream.journal import (
    DAMAGED,
    EVENTS_DROPPED,
    FILE_NAME,
    PROCESSES_DROPPED,
    Journal,
    JournalLimits,
    PreviousEnd,
)
from gosonde_agent.stream.spool import WRITES_FAILED, Leftover, Spool
from gosonde_common.errors import UnavailableError, UnsupportedError
from gosonde_common.values.observation import (
    Observation,
    ProcessKey,
    ProofCount,
    Search,
    SiteCount,
)
from gosonde_common.values.reachability import Holder

from tests.unit.agent.observations import act, count, cycle, estimate, observed, park, pause, process, total

ONE, TWO = process(1), process(2)
ALL = 1_000_000
LIMITS = JournalLimits()
NO_LOSS = {EVENTS_DROPPED: 0, PROCESSES_DROPPED: 0, DAMAGED: 0, WRITES_FAILED: 0, DROPPED: 0}


def new_spool(limits: JournalLimits = LIMITS) -> Spool:
    journal = Journal("boot", None, limits)
    return Spool(journal, journal.begin("epoch", "host")[0])


def taken(spool: Spool) -> Observation:
    return spool.take(ALL)[1]


def all_taken(spool: Spool | Leftover) -> list[Observation]:
    pieces = []
    while spool.fresh:
        pieces.append(spool.take(ALL)[1])
    return pieces


def newest(pieces: list[Observation]) -> dict[tuple[ProcessKey, int], SiteCount]:
    return {(row.process, row.site.pc): row for piece in pieces for row in piece.site_counts}


def events_of(pieces: list[Observation]) -> list[int]:
    return [event.ordinal for piece in pieces for event in piece.pauses]


def test_the_interval_goes_with_every_observation_and_not_with_the_first_alone() -> None:
    spool = new_spool()
    for created in (5, 6):
        spool.offer(replace(observed(ONE, site_counts=(count(ONE, 1, created),)), interval_ns=60_000_000_000))
        assert [one.interval_ns for one in all_taken(spool)] == [60_000_000_000]


def test_what_was_offered_is_taken_once() -> None:
    spool = new_spool()
    offered = observed(
        ONE,
        site_counts=(count(ONE, 1, 5, 2),),
        park_counts=(park(ONE, 3),),
        pauses=(pause(ONE, 0),),
        gc_cycles=(cycle(ONE, 0),),
        gc_totals=(total(ONE, 1),),
    )
    spool.offer(offered)
    first = taken(spool)
    for table in ("processes", "site_counts", "park_counts", "pauses", "gc_cycles", "gc_totals"):
        assert getattr(first, table) == getattr(offered, table)
    spool.offer(observed(ONE, taken=2, site_counts=offered.site_counts, gc_totals=offered.gc_totals))
    assert spool.fresh
    assert taken(spool) == Observation(2, losses=NO_LOSS)
    assert not spool.fresh


def test_only_the_rows_that_changed_are_taken_with_their_process() -> None:
    spool = new_spool()
    spool.offer(observed(ONE, TWO, site_counts=(count(ONE, 1, 5), count(ONE, 2, 5), count(TWO, 1, 5))))
    taken(spool)
    spool.offer(observed(ONE, TWO, site_counts=(count(ONE, 1, 5), count(ONE, 2, 6))))
    second = taken(spool)
    assert second.processes == (ONE,)
    assert second.site_counts == (count(ONE, 2, 6),)


def test_an_estimate_that_falls_is_taken_as_it_is_now() -> None:
    spool = new_spool()
    sites = (count(ONE, 1, 5), count(ONE, 2, 5))
    for second, guessed in enumerate((40, 30, 30), start=1):
        rows = (estimate(ONE, 1, guessed), estimate(ONE, 2, 7))
        spool.offer(observed(ONE, taken=second, site_counts=sites, estimates=rows))
    pieces = all_taken(spool)
    assert [row.created for piece in pieces for row in piece.estimates] == [40, 7, 30]


def test_the_newest_proof_of_a_site_is_taken_once_and_given_again_to_a_new_stream() -> None:
    spool, one = new_spool(), process(1)
    held = (Holder(("main.cache", "map"), 2),)
    proofs = [ProofCount(one.key, 7, second, 5, 30, 20 + second, 0, held_by=held) for second in (1, 2)]
    for second, proof in enumerate(proofs, start=1):
        found = Search(one.key, second, 5)
        spool.offer(observed(one, taken=second, proofs=(proof,), searches=(found,)))
        spool.offer(observed(one, taken=second, proofs=(proof,), searches=(found,)))
    pieces = all_taken(spool)
    assert [row for piece in pieces for row in piece.proofs] == proofs
    spool.acknowledge(1 << 60)
    spool.rewind()
    again = all_taken(spool)
    assert [row for piece in again for row in piece.proofs] == proofs[1:]
    assert [row.searched_unix_nano for piece in again for row in piece.searches] == [2]


def test_an_outage_keeps_the_curve_of_the_past() -> None:
    spool = new_spool()
    for step in range(1, 101):
        spool.offer(observed(ONE, taken=step, site_counts=(count(ONE, 1, step),)))
    pieces = all_taken(spool)
    assert [(piece.taken_unix_nano, piece.site_counts[0].created) for piece in pieces] == [
        (step, step) for step in range(1, 101)
    ]


def test_a_rewind_gives_what_is_unacknowledged_again_in_order_and_then_all_totals() -> None:
    spool = new_spool()
    spool.offer(observed(ONE, taken=1, site_counts=(count(ONE, 1, 5),), pauses=(pause(ONE, 0),)))
    ticket, _ = spool.take(ALL)
    spool.offer(observed(ONE, taken=2, site_counts=(count(ONE, 2, 5),), pauses=(pause(ONE, 1), pause(ONE, 2))))
    spool.take(ALL)
    spool.offer(observed(ONE, taken=3, pauses=(pause(ONE, 3),)))
    spool.acknowledge(ticket)
    spool.rewind()
    again = all_taken(spool)
    assert events_of(again) == [1, 2, 3]
    assert again[-1].site_counts == (count(ONE, 1, 5), count(ONE, 2, 5))
    assert again[-1].processes == (ONE,)
    assert not spool.fresh


def test_the_last_totals_of_an_ended_process_stay_until_they_are_acknowledged() -> None:
    spool = new_spool()
    ended = process(1, ended_unix_nano=9)
    spool.offer(observed(ended, TWO, site_counts=(count(ONE, 1, 5, 5),)))
    ticket, first = spool.take(ALL)
    assert ended in first.processes
    spool.offer(observed(TWO, taken=2))
    spool.rewind()
    again = all_taken(spool)
    assert ended in again[0].processes
    assert count(ONE, 1, 5, 5) in again[0].site_counts
    spool.acknowledge(ticket)
    spool.rewind()
    assert ended in all_taken(spool)[0].processes, "the second sending was not acknowledged"


def test_an_ended_process_is_forgotten_once_it_is_acknowledged_and_no_longer_observed() -> None:
    spool = new_spool()
    ended = process(1, ended_unix_nano=9)
    spool.offer(observed(ended, TWO))
    spool.acknowledge(spool.take(ALL)[0])
    spool.offer(observed(ended, TWO, taken=2))
    assert taken(spool).processes == ()
    spool.offer(observed(TWO, taken=3))
    spool.acknowledge(spool.take(ALL)[0])
    spool.rewind()
    assert taken(spool).processes == (TWO,)
    assert spool.losses() == NO_LOSS


def test_totals_that_change_after_the_end_was_acknowledged_are_still_taken() -> None:
    spool = new_spool()
    ended = process(1, ended_unix_nano=9)
    spool.offer(observed(ended, site_counts=(count(ONE, 1, 5, 4),)))
    spool.acknowledge(spool.take(ALL)[0])
    spool.offer(observed(ended, site_counts=(count(ONE, 1, 5, 5),)))
    assert taken(spool).site_counts == (count(ONE, 1, 5, 5),)


def test_a_full_spool_joins_old_observations_and_loses_no_total() -> None:
    spool = new_spool(JournalLimits(bytes=20_000))
    for step in range(1, 1001):
        spool.offer(observed(ONE, taken=step, site_counts=tuple(count(ONE, pc, step) for pc in range(10))))
    assert spool.losses() == NO_LOSS
    pieces = all_taken(spool)
    assert 10 < len(pieces) < 200
    assert {row.created for row in newest(pieces).values()} == {1000}
    times = [piece.taken_unix_nano for piece in pieces]
    assert times == sorted(times)
    assert times[-1] - times[-2] == 1, "the newest detail is kept"
    assert times[1] - times[0] > 10, "the oldest is coarse"


def test_when_joining_does_not_help_the_oldest_events_go_and_are_counted() -> None:
    spool = new_spool(JournalLimits(bytes=4_000))
    for step in range(1500):
        spool.offer(observed(ONE, taken=step + 1, site_counts=(count(ONE, 1, step),), pauses=(pause(ONE, step),)))
    dropped = spool.losses()[EVENTS_DROPPED]
    pieces = all_taken(spool)
    assert dropped > 0
    assert events_of(pieces) == list(range(dropped, 1500))
    assert newest(pieces)[ONE.key, 1].created == 1499
    assert spool.losses()[PROCESSES_DROPPED] == 0


def test_a_spool_that_is_far_too_small_drops_ended_processes_and_counts_them() -> None:
    spool = new_spool(JournalLimits(bytes=2_000))
    for pid in range(1, 101):
        ended = process(pid, ended_unix_nano=9)
        spool.offer(observed(ended, taken=pid, site_counts=tuple(count(ended, pc, 1) for pc in range(10))))
    left = {entry.key.pid for piece in all_taken(spool) for entry in piece.processes}
    assert 100 in left
    assert spool.losses()[PROCESSES_DROPPED] == 100 - len(left)


def test_the_totals_of_what_runs_are_given_again_when_the_spool_had_to_drop_them() -> None:
    spool = new_spool(JournalLimits(bytes=2_000))
    running = tuple(process(pid) for pid in range(1, 50))
    rows = tuple(count(entry, pc, 1) for entry in running for pc in range(30))
    spool.offer(observed(*running, site_counts=rows))
    assert len(newest(all_taken(spool))) == len(rows)
    assert spool.losses()[PROCESSES_DROPPED] == 0


def test_an_event_of_a_process_that_is_not_observed_is_counted_as_dropped() -> None:
    spool = new_spool()
    spool.offer(observed(TWO, pauses=(pause(ONE, 0),), site_counts=(count(ONE, 1, 1),)))
    assert taken(spool).pauses == ()
    assert spool.losses()[EVENTS_DROPPED] == 1


def test_large_totals_are_taken_in_pieces_that_together_are_whole() -> None:
    spool = new_spool()
    processes = tuple(process(pid) for pid in range(1, 21))
    rows = tuple(count(entry, pc, 1) for entry in processes for pc in range(10))
    spool.offer(observed(*processes, site_counts=rows))
    spool.acknowledge(spool.take(ALL)[0])
    spool.rewind()
    pieces = []
    while spool.fresh:
        pieces.append(spool.take(30)[1])
    assert len(pieces) > 5
    assert max(len(piece.site_counts) for piece in pieces) <= 40
    assert tuple(row for piece in pieces for row in piece.site_counts) == rows


def test_losses_of_the_agent_and_of_the_spool_travel_together() -> None:
    spool = new_spool()
    spool.offer(Observation(1, losses={"events_full": 4, EVENTS_DROPPED: 0}, pauses=(pause(ONE, 0),)))
    assert taken(spool).losses == {**NO_LOSS, "events_full": 4, EVENTS_DROPPED: 1}


def test_it_is_settled_only_when_everything_was_taken_and_acknowledged() -> None:
    spool = new_spool()
    assert spool.settled
    spool.offer(observed(ONE))
    assert not spool.settled
    ticket, _ = spool.take(ALL)
    assert not spool.settled
    spool.acknowledge(ticket)
    assert spool.settled


def test_a_rewind_before_the_first_offer_has_nothing_to_give() -> None:
    spool = new_spool()
    spool.rewind()
    assert not spool.fresh


def test_what_a_former_run_left_is_given_under_its_own_epoch(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    journal = Journal("boot", path)
    run, end, left = journal.begin("first", "host")
    assert (end, left) == (PreviousEnd.NONE, [])
    spool = Spool(journal, run)
    spool.offer(observed(ONE, site_counts=(count(ONE, 1, 5),), pauses=(pause(ONE, 0),)))
    spool.acknowledge(spool.take(ALL)[0])
    spool.offer(observed(ONE, taken=2, site_counts=(count(ONE, 1, 7),), pauses=(pause(ONE, 1),)))
    journal.close()
    journal = Journal("boot", path)
    run, end, (former,) = journal.begin("second", "host")
    assert end is PreviousEnd.KILLED
    assert (former.agent_epoch, former.resumed, run.number) == ("first", 1, former.number + 1)
    leftover = Leftover(journal, former)
    (piece,) = all_taken(leftover)
    assert (piece.site_counts, piece.pauses) == ((count(ONE, 1, 7),), (pause(ONE, 1),))
    assert not leftover.settled
    leftover.acknowledge(leftover.take(ALL)[0])
    assert leftover.settled
    journal.close()
    assert Journal("boot", path).begin("third", "host")[2] == []


@pytest.mark.parametrize(
    ("stopped", "boot", "end"),
    [
        (True, "boot", PreviousEnd.STOPPED),
        (False, "boot", PreviousEnd.KILLED),
        (False, "another", PreviousEnd.REBOOTED),
        (True, "another", PreviousEnd.STOPPED),
    ],
)
def test_how_the_run_before_ended_is_told_apart(tmp_path: Path, stopped: bool, boot: str, end: PreviousEnd) -> None:
    journal = Journal("boot", tmp_path / FILE_NAME)
    run, _, _ = journal.begin("first", "host")
    if stopped:
        journal.stop(run)
    journal.close()
    assert Journal(boot, tmp_path / FILE_NAME).begin("second", "host")[1] is end


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"x" * 10_000)
    assert Journal("boot", path).begin("first", "host")[1] is PreviousEnd.NONE
    assert (tmp_path / "spool.db.damaged").read_bytes() == b"x" * 10_000


def test_a_garbled_segment_is_counted_and_the_others_are_given(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    journal = Journal("boot", path)
    spool = Spool(journal, journal.begin("first", "host")[0])
    for step in range(1, 4):
        spool.offer(observed(ONE, taken=step, site_counts=(count(ONE, step, 1),)))
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE segments SET content = x'00' WHERE id = 2")
    connection.close()
    journal = Journal("boot", path)
    _, _, (former,) = journal.begin("second", "host")
    assert sorted(pc for _, pc in newest(all_taken(Leftover(journal, former)))) == [1, 3]
    assert journal.losses()[DAMAGED] == 1


def test_a_second_agent_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = Journal("boot", tmp_path / FILE_NAME)
    with pytest.raises(UnavailableError, match="another agent"):
        Journal("boot", tmp_path / FILE_NAME)
    first.close()


def test_a_file_of_a_newer_agent_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 77")
    connection.close()
    with pytest.raises(UnsupportedError, match="version 77"):
        Journal("boot", tmp_path / FILE_NAME)


@pytest.mark.parametrize("stopped", [True, False])
def test_where_the_disk_takes_nothing_the_spool_begins_in_memory_behind_the_runs_before(
    tmp_path: Path, stopped: bool
) -> None:
    path = tmp_path / FILE_NAME
    former = Journal("boot", path)
    run, _, _ = former.begin("first", "host")
    former.append(run, observed(ONE, site_counts=(count(ONE, 1, 1),)))
    if stopped:
        former.stop(run)
    former.close()
    journal = Journal("boot", path)
    journal.file.rows("PRAGMA query_only = on")
    run, end, left = journal.begin("second", "host")
    assert journal.is_without_disk
    assert (run.number, end, left) == (2, PreviousEnd.STOPPED if stopped else PreviousEnd.KILLED, [])
    spool = Spool(journal, run)
    spool.offer(observed(ONE, site_counts=(count(ONE, 1, 7),), pauses=(pause(ONE, 0),)))
    assert newest(all_taken(spool))[ONE.key, 1].created == 7
    assert spool.losses() == NO_LOSS
    later, _, left = Journal("boot", path).begin("third", "host")
    assert later.number == 2
    assert [(run.number, run.agent_epoch) for run in left] == [(1, "first")]


def test_a_file_that_cannot_be_opened_leaves_the_spool_in_memory(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    journal = Journal("boot", tmp_path / FILE_NAME)
    assert journal.is_without_disk
    assert journal.begin("epoch", "host")[0].number == 1


def test_a_spool_in_memory_is_bounded_more_narrowly_than_one_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosonde_agent.stream.journal.BYTES_IN_MEMORY", 1 << 16)
    (tmp_path / FILE_NAME).mkdir()
    journal = Journal("boot", tmp_path / FILE_NAME, JournalLimits(bytes=1 << 30))
    run, _, _ = journal.begin("epoch", "host")
    for number in range(30):
        rows = tuple(count(process(number), pc, 1) for pc in range(1_000))
        journal.append(run, observed(process(number), site_counts=rows))
    assert 0 < journal.size <= 1 << 16


def test_what_the_disk_does_not_take_is_kept_in_memory_and_given(tmp_path: Path) -> None:
    journal = Journal("boot", tmp_path / FILE_NAME)
    spool = Spool(journal, journal.begin("first", "host")[0])
    spool.offer(observed(ONE, taken=1, site_counts=(count(ONE, 1, 1),), pauses=(pause(ONE, 0),)))
    journal.file.rows("PRAGMA max_page_count = 1")
    big = tuple(count(ONE, pc, pc) for pc in range(5000))
    spool.offer(observed(ONE, taken=2, site_counts=big, pauses=(pause(ONE, 1),)))
    spool.offer(observed(ONE, taken=3, site_counts=(count(ONE, 1, 9),), pauses=(pause(ONE, 2),)))
    assert spool.losses()[WRITES_FAILED] == 2
    first = all_taken(spool)
    assert events_of(first) == [0, 1, 2]
    assert newest(first)[ONE.key, 1].created == 9
    spool.rewind()
    assert events_of(all_taken(spool)) == [0, 1, 2]
    journal.file.rows("PRAGMA max_page_count = 100000")
    spool.rewind()
    spool.offer(observed(ONE, taken=4, pauses=(pause(ONE, 3),)))
    pieces = all_taken(spool)
    assert events_of(pieces) == [0, 1, 2, 3]
    spool.acknowledge(spool.take(ALL)[0])
    assert spool.settled


def test_events_that_are_too_old_go_and_so_does_what_former_runs_left(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    journal = Journal("boot", path)
    former = Spool(journal, journal.begin("first", "host")[0])
    former.offer(observed(ONE, site_counts=(count(ONE, 1, 1),)))
    journal.close()
    journal = Journal("boot", path, JournalLimits(age_seconds=0.01))
    run, _, (left,) = journal.begin("second", "host")
    spool = Spool(journal, run)
    spool.offer(observed(TWO, site_counts=(count(TWO, 1, 2),), pauses=(pause(TWO, 0),)))
    time.sleep(0.02)
    journal.expire(run)
    assert Leftover(journal, left).settled
    (piece,) = all_taken(spool)
    assert (piece.site_counts, piece.pauses) == ((count(TWO, 1, 2),), ())
    assert journal.losses() == {EVENTS_DROPPED: 1, PROCESSES_DROPPED: 1, DAMAGED: 0, DROPPED: 0}


def test_a_jump_of_the_wall_clock_makes_nothing_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal("boot", tmp_path / FILE_NAME)
    run, _, _ = journal.begin("first", "host")
    spool = Spool(journal, run)
    spool.offer(observed(ONE, taken=time.time_ns(), pauses=(pause(ONE, 0),)))
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**18)
    monkeypatch.setattr(time, "time", lambda: (now + 10**18) / 1e9)
    journal.expire(run)
    assert events_of(all_taken(spool)) == [0]


def test_what_was_audited_survives_a_kill_in_order_and_each_event_is_given_out_once(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    journal = Journal("boot", path)
    spool = Spool(journal, journal.begin("epoch-1", "host")[0])
    spool.offer(observed(ONE, audit=(act(0), act(1))))
    spool.offer(observed(ONE, taken=2))
    spool.offer(observed(ONE, taken=3, audit=(act(2),)))
    journal.close()  # without the end of the run
    after = Journal("boot", path)
    _, end, (left,) = after.begin("epoch-2", "host")
    assert end is PreviousEnd.KILLED
    pieces = all_taken(Leftover(after, left))
    assert [event for piece in pieces for event in piece.audit] == [act(0), act(1), act(2)]


def test_totals_that_are_given_again_bring_no_event_again() -> None:
    spool = new_spool()
    spool.offer(observed(ONE, site_counts=(count(ONE, 5, 1),), audit=(act(0),)))
    ticket, first = spool.take(ALL)
    assert first.audit == (act(0),)
    spool.acknowledge(ticket)
    spool.rewind()
    again = all_taken(spool)
    assert newest(again)
    assert [piece.audit for piece in again] == [()]


def test_a_full_spool_drops_pauses_before_what_was_audited_and_counts_that() -> None:
    spool = new_spool(JournalLimits(bytes=3_000))

    def offer(numbers: range) -> None:
        for number in numbers:
            # What is not alike cannot be compressed.
            told = replace(act(number), detail=hashlib.sha256(bytes([number])).hexdigest())
            spool.offer(observed(ONE, taken=number + 1, pauses=(pause(ONE, number),), audit=(told,)))

    number = 0
    while not spool.losses()[EVENTS_DROPPED]:
        offer(range(number, number + 1))
        number += 1
    assert spool.losses()[DROPPED] == 0
    offer(range(number, 200))
    kept = [event.ordinal for piece in all_taken(spool) for event in piece.audit]
    assert 0 < len(kept) < 200
    assert len(kept) + spool.losses()[DROPPED] == 200


def test_of_what_was_audited_memory_keeps_the_first() -> None:
    kept, _ = segments.limited(observed(ONE, audit=tuple(map(act, range(10)))), 4)
    assert kept.audit == tuple(map(act, range(4)))
