"""A spool whose file is damaged loses what stood in the damaged place, counts it, and keeps and delivers the rest."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from gosonde_agent.stream.journal import DAMAGED, FILE_NAME, Journal, Run
from gosonde_agent.stream.spool import Leftover, Spool
from gosonde_agent.stream.uplink import RUNS_HELD_UP, Uplink
from gosonde_agent.wire.pack import pack
from gosonde_common.values.observation import Observation

from tests.unit.agent.observations import count, observed, pause
from tests.unit.agent.recording_collector import RecordingCollector, eventually, serving
from tests.unit.agent.stream.test_uplink import FAST, IDENTITY, ONE, TWO, running

STEPS = 12
PAGE = 4096
#: So many names that a segment takes several pages.
ROWS = 600
Damage = Callable[[Path], None]


def segment(step: int) -> Observation:
    rows = tuple(count(ONE, 1_000_003 * step * pc, step * pc) for pc in range(1, ROWS))
    return observed(ONE, taken=step, site_counts=rows, pauses=(pause(ONE, step),))


def left_behind(path: Path, steps: int = STEPS) -> None:
    """A former run that delivered nothing, all of it in the file itself."""
    journal = Journal("boot", path)
    run, _, _ = journal.begin("d" * 32, "host")
    for step in range(1, steps + 1):
        journal.append(run, segment(step))
    journal.file.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.close()


def pages(path: Path, kind: bytes) -> list[int]:
    """The numbers of the pages that begin with the byte that SQLite marks a kind of page with."""
    content = path.read_bytes()
    return [at // PAGE for at in range(PAGE, len(content), PAGE) if content[at : at + 1] == kind]


def garble(path: Path, page: int, content: bytes = b"\xff" * PAGE) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(content)


def garble_content(path: Path) -> None:
    """The page that the content of the fifth segment goes on in: SQLite cannot follow it any more."""
    garble(path, path.read_bytes().index(pack(segment(5))[-1000:]) // PAGE)


def garble_leaf(path: Path) -> None:
    """The page that says where several segments in the middle are."""
    leaves = pages(path, b"\x0d")
    garble(path, leaves[len(leaves) // 2])


def steps_of(journal: Journal, run: Run) -> list[int]:
    leftover = Leftover(journal, run)
    found = []
    while leftover.fresh:
        found += [event.ordinal for event in leftover.take(1)[1].pauses]
    return found


@pytest.mark.parametrize("damage", [garble_content, garble_leaf])
def test_damage_that_is_found_at_the_start_costs_the_segments_there_alone(tmp_path: Path, damage: Damage) -> None:
    path = tmp_path / FILE_NAME
    left_behind(path)
    damage(path)
    journal = Journal("boot", path)
    run, _, (former,) = journal.begin("e" * 32, "host")
    steps = steps_of(journal, former)
    assert STEPS // 2 <= len(steps) < STEPS
    assert steps[0] == 1
    assert steps[-1] == STEPS
    assert journal.losses()[DAMAGED] == 1
    assert run.number == former.number + 1
    assert (tmp_path / "spool.db.damaged").exists()
    assert journal.append(run, observed(TWO)) > STEPS


@pytest.mark.parametrize("damage", [garble_content, garble_leaf])
def test_damage_that_is_found_later_costs_the_segments_there_alone(tmp_path: Path, damage: Damage) -> None:
    path = tmp_path / FILE_NAME
    left_behind(path)
    journal = Journal("boot", path)
    run, _, (former,) = journal.begin("e" * 32, "host")
    spool = Spool(journal, run)
    spool.offer(observed(TWO, taken=1, site_counts=(count(TWO, 1, 7),), pauses=(pause(TWO, 1),)))
    journal.file.rows("PRAGMA cache_size = 0")
    journal.file.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(path)
    steps = steps_of(journal, former)
    assert STEPS // 2 <= len(steps) < STEPS
    assert steps[-1] == STEPS
    assert journal.losses()[DAMAGED] == 1
    Leftover(journal, former).acknowledge(STEPS)
    assert Leftover(journal, former).settled
    ticket, given = spool.take(1)
    assert (given.site_counts, given.pauses) == ((count(TWO, 1, 7),), (pause(TWO, 1),))
    spool.acknowledge(ticket)
    assert journal.size == 0


def test_what_is_damaged_of_the_present_run_is_given_again_as_totals(tmp_path: Path) -> None:
    journal = Journal("boot", tmp_path / FILE_NAME)
    spool = Spool(journal, journal.begin("e" * 32, "host")[0])
    spool.offer(observed(ONE, taken=1, site_counts=(count(ONE, 1, 5),)))
    spool.offer(observed(ONE, taken=2, site_counts=(count(ONE, 2, 6),)))
    journal.file.rows("UPDATE segments SET content = x'00' WHERE id = 1")
    given = []
    while spool.fresh:
        given += [(row.site.pc, row.created) for row in spool.take(100)[1].site_counts]
    assert sorted(set(given)) == [(1, 5), (2, 6)]
    assert spool.losses()[DAMAGED] == 1


def test_a_file_of_which_nothing_can_be_read_costs_no_later_observation(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    left_behind(path)
    journal = Journal("boot", path)
    run, _, (former,) = journal.begin("e" * 32, "host")
    spool = Spool(journal, run)
    journal.file.rows("PRAGMA cache_size = 0")
    journal.file.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    for page in range(path.stat().st_size // PAGE):
        garble(path, page)
    assert steps_of(journal, former) == []
    spool.offer(observed(TWO, taken=1, pauses=(pause(TWO, 1),)))
    assert spool.take(1)[1].pauses == (pause(TWO, 1),)
    assert journal.losses()[DAMAGED] >= 1
    journal.close()
    _, _, (left,) = Journal("boot", path).begin("f" * 32, "host")
    assert left.number == run.number


async def test_a_damaged_former_run_does_not_hold_up_the_present_one(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    left_behind(path)
    collector = RecordingCollector()
    journal = Journal("boot", path)
    journal.file.rows("PRAGMA cache_size = 0")
    async with serving(collector) as address:
        uplink = Uplink((address,), IDENTITY, 0.01, journal, timeouts=FAST)
        journal.file.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        garble_content(path)
        async with running(uplink):
            await uplink.offer(observed(TWO, taken=1, site_counts=(count(TWO, 1, 7),)))
            await eventually(lambda: collector.totals.get((TWO.key, 1)) == (7, 0))
            await eventually(lambda: uplink.settled)
    assert {event.ordinal for event in collector.events} == set(range(1, STEPS + 1)) - {5}
    assert uplink.losses()[DAMAGED] == 1
    await uplink.close()


async def test_a_former_run_that_the_disk_does_not_give_is_counted_and_the_present_one_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE_NAME
    left_behind(path, steps=1)
    collector = RecordingCollector()
    journal = Journal("boot", path)

    def fails(_self: Leftover, _max_rows: int) -> tuple[int, Observation]:
        journal.file.rows("SELECT x FROM no_such_table")
        raise AssertionError

    monkeypatch.setattr(Leftover, "take", fails)
    async with serving(collector) as address:
        uplink = Uplink((address,), IDENTITY, 0.01, journal, timeouts=FAST)
        async with running(uplink):
            await uplink.offer(observed(TWO, taken=1, site_counts=(count(TWO, 1, 7),)))
            await eventually(lambda: collector.totals == {(TWO.key, 1): (7, 0)})
        assert uplink.losses()[RUNS_HELD_UP] == 1
        assert not uplink.settled
    await uplink.close()
    assert len(Journal("boot", path).begin("f" * 32, "host")[2]) == 1


class RefusingCollector(RecordingCollector):
    """Refuses every stream but that of the present run."""

    async def StreamObservations(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        requests = aiter(request_iterator)
        hello = await anext(requests)
        if hello.hello.agent_epoch != IDENTITY.agent_epoch:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "hello.host is empty")

        async def again() -> AsyncIterator[Any]:
            yield hello
            async for request in requests:
                yield request

        async for response in super().StreamObservations(again(), context):
            yield response


async def test_a_former_run_that_the_collector_refuses_is_counted_and_the_present_one_delivered(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    left_behind(path, steps=1)
    collector = RefusingCollector()
    async with serving(collector) as address:
        uplink = Uplink((address,), IDENTITY, 0.01, Journal("boot", path), timeouts=FAST)
        async with running(uplink):
            await uplink.offer(observed(TWO, taken=1, site_counts=(count(TWO, 1, 7),)))
            await eventually(lambda: collector.totals == {(TWO.key, 1): (7, 0)})
        assert uplink.losses()[RUNS_HELD_UP] == 1
    await uplink.close()
