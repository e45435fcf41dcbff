from gosonde_agent.model import Observation
from gosonde_agent.spool import EVENTS_DROPPED, PROCESSES_DROPPED, Spool, SpoolLimits

from tests.unit.agent.observations import count, cycle, observed, park, pause, process, total

ONE, TWO = process(1), process(2)
ALL = 1_000_000


def taken(spool: Spool) -> Observation:
    return spool.take(ALL)[1]


def test_what_was_offered_is_taken_once() -> None:
    spool = Spool()
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
    second = taken(spool)
    assert second == Observation(2, losses=spool.losses())
    assert not spool.fresh


def test_only_the_rows_that_changed_are_taken_with_their_process() -> None:
    spool = Spool()
    spool.offer(observed(ONE, TWO, site_counts=(count(ONE, 1, 5), count(ONE, 2, 5), count(TWO, 1, 5))))
    taken(spool)
    spool.offer(observed(ONE, TWO, site_counts=(count(ONE, 1, 5), count(ONE, 2, 6))))
    second = taken(spool)
    assert second.processes == (ONE,)
    assert second.site_counts == (count(ONE, 2, 6),)


def test_totals_that_nobody_takes_replace_each_other() -> None:
    spool = Spool()
    for step in range(10_000):
        spool.offer(observed(ONE, site_counts=(count(ONE, 1, step),), gc_totals=(total(ONE, step),)))
    newest = taken(spool)
    assert newest.site_counts == (count(ONE, 1, 9_999),)
    assert newest.gc_totals == (total(ONE, 9_999),)
    assert not spool.fresh


def test_a_rewind_gives_all_totals_and_the_unacknowledged_events_again_in_order() -> None:
    spool = Spool()
    spool.offer(observed(ONE, site_counts=(count(ONE, 1, 5),), pauses=(pause(ONE, 0),)))
    ticket, _ = spool.take(ALL)
    spool.offer(observed(ONE, site_counts=(count(ONE, 2, 5),), pauses=(pause(ONE, 1), pause(ONE, 2))))
    spool.take(ALL)
    spool.offer(observed(ONE, pauses=(pause(ONE, 3),)))
    spool.acknowledge(ticket)
    spool.rewind()
    again = taken(spool)
    assert again.site_counts == (count(ONE, 1, 5), count(ONE, 2, 5))
    assert again.pauses == (pause(ONE, 1), pause(ONE, 2), pause(ONE, 3))


def test_the_last_totals_of_an_ended_process_stay_until_they_are_acknowledged() -> None:
    spool = Spool()
    ended = process(1, ended_unix_nano=9)
    spool.offer(observed(ended, TWO, site_counts=(count(ONE, 1, 5, 5),)))
    ticket, first = spool.take(ALL)
    assert ended in first.processes
    spool.offer(observed(TWO, taken=2))
    spool.rewind()
    again = taken(spool)
    assert ended in again.processes
    assert count(ONE, 1, 5, 5) in again.site_counts
    spool.acknowledge(ticket)
    spool.offer(observed(TWO, taken=3))
    spool.rewind()
    assert ended in taken(spool).processes, "the second sending was not acknowledged"


def test_an_ended_process_is_forgotten_once_it_is_acknowledged_and_no_longer_observed() -> None:
    spool = Spool()
    ended = process(1, ended_unix_nano=9)
    spool.offer(observed(ended, TWO))
    spool.acknowledge(spool.take(ALL)[0])
    spool.offer(observed(ended, TWO, taken=2))
    assert taken(spool).processes == ()
    spool.offer(observed(TWO, taken=3))
    spool.rewind()
    assert taken(spool).processes == (TWO,)
    assert spool.losses()[PROCESSES_DROPPED] == 0


def test_totals_that_change_after_the_end_was_acknowledged_are_still_taken() -> None:
    spool = Spool()
    ended = process(1, ended_unix_nano=9)
    spool.offer(observed(ended, site_counts=(count(ONE, 1, 5, 4),)))
    spool.acknowledge(spool.take(ALL)[0])
    spool.offer(observed(ended, site_counts=(count(ONE, 1, 5, 5),)))
    assert taken(spool).site_counts == (count(ONE, 1, 5, 5),)


def test_events_beyond_the_bound_drop_the_oldest_and_are_counted() -> None:
    spool = Spool(SpoolLimits(events=10))
    for ordinal in range(25):
        spool.offer(observed(ONE, pauses=(pause(ONE, ordinal),)))
    newest = taken(spool)
    assert [row.ordinal for row in newest.pauses] == list(range(15, 25))
    assert newest.losses[EVENTS_DROPPED] == spool.losses()[EVENTS_DROPPED] == 15


def test_events_under_way_count_towards_the_bound() -> None:
    spool = Spool(SpoolLimits(events=10))
    spool.offer(observed(ONE, pauses=tuple(pause(ONE, ordinal) for ordinal in range(10))))
    taken(spool)
    spool.offer(observed(ONE, pauses=(pause(ONE, 10),)))
    assert spool.losses()[EVENTS_DROPPED] == 1
    spool.rewind()
    assert [row.ordinal for row in taken(spool).pauses] == list(range(10))


def test_ended_processes_beyond_the_bound_drop_the_oldest_and_are_counted() -> None:
    spool = Spool(SpoolLimits(ended_processes=3))
    for pid in range(1, 11):
        spool.offer(observed(process(pid, ended_unix_nano=9), taken=pid))
    spool.offer(observed(taken=11))
    assert [entry.key.pid for entry in taken(spool).processes] == [8, 9, 10]
    assert spool.losses()[PROCESSES_DROPPED] == 7


def test_ended_processes_with_too_many_rows_drop_the_oldest_and_are_counted() -> None:
    spool = Spool(SpoolLimits(ended_rows=25))
    for pid in range(1, 6):
        ended = process(pid, ended_unix_nano=9)
        spool.offer(observed(ended, taken=pid, site_counts=tuple(count(ended, pc, 1) for pc in range(10))))
    spool.offer(observed(taken=6))
    assert [entry.key.pid for entry in taken(spool).processes] == [4, 5]
    assert spool.losses()[PROCESSES_DROPPED] == 3


def test_processes_that_run_are_never_dropped() -> None:
    spool = Spool(SpoolLimits(ended_processes=1, ended_rows=1))
    running = tuple(process(pid) for pid in range(1, 50))
    rows = tuple(count(entry, pc, 1) for entry in running for pc in range(3))
    spool.offer(observed(*running, site_counts=rows))
    assert taken(spool).site_counts == rows
    assert spool.losses()[PROCESSES_DROPPED] == 0


def test_an_event_of_a_process_that_was_never_offered_is_counted_as_dropped() -> None:
    spool = Spool()
    spool.offer(observed(TWO, pauses=(pause(ONE, 0),), site_counts=(count(ONE, 1, 1),)))
    assert taken(spool).pauses == ()
    assert spool.losses()[EVENTS_DROPPED] == 1


def test_an_event_outlives_its_process_and_brings_it_along() -> None:
    spool = Spool()
    ended = process(1, ended_unix_nano=9)
    spool.offer(observed(ended, pauses=(pause(ONE, 0), pause(ONE, 1))))
    ticket, first = spool.take(1)
    assert first.pauses == (pause(ONE, 0),)
    spool.acknowledge(ticket)
    spool.offer(observed(taken=2))
    second = taken(spool)
    assert (second.processes, second.pauses) == ((ended,), (pause(ONE, 1),))


def test_a_large_state_is_taken_in_pieces_that_together_are_whole() -> None:
    spool = Spool()
    processes = tuple(process(pid) for pid in range(1, 21))
    rows = tuple(count(entry, pc, 1) for entry in processes for pc in range(10))
    events = tuple(pause(ONE, ordinal) for ordinal in range(95))
    spool.offer(observed(*processes, site_counts=rows, pauses=events))
    pieces = []
    while spool.fresh:
        pieces.append(spool.take(30)[1])
    assert len(pieces) > 5
    assert max(len(piece.site_counts) for piece in pieces) <= 40
    assert tuple(row for piece in pieces for row in piece.site_counts) == rows
    assert tuple(row for piece in pieces for row in piece.pauses) == events


def test_losses_of_the_agent_and_of_the_spool_travel_together() -> None:
    spool = Spool()
    spool.offer(Observation(1, losses={"events_full": 4, EVENTS_DROPPED: 0}, pauses=(pause(ONE, 0),)))
    assert taken(spool).losses == {"events_full": 4, EVENTS_DROPPED: 1, PROCESSES_DROPPED: 0}


def test_it_is_settled_only_when_everything_was_taken_and_acknowledged() -> None:
    spool = Spool()
    assert spool.settled
    spool.offer(observed(ONE))
    assert not spool.settled
    ticket, _ = spool.take(ALL)
    assert not spool.settled
    spool.acknowledge(ticket)
    assert spool.settled


def test_a_rewind_before_the_first_offer_has_nothing_to_give() -> None:
    spool = Spool()
    spool.rewind()
    assert not spool.fresh
