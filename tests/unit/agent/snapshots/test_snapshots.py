"""Snapshots are taken of watched processes alone, one at a time, and whatever goes wrong becomes a reason."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable

import pytest
from gosonde_agent.model.snapshots import SnapshotKind, SnapshotRequest
from gosonde_agent.snapshots.taking import Deadline, Snapshots, Taker
from gosonde_agent.stream.snapshot_answers import MAX_WAITING, PROOFS_AT_ONCE, SnapshotAnswers
from gosonde_agent.wire import encoding
from gosonde_common.errors import (
    GosondeError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    UnsupportedError,
)
from gosonde_common.values.audit import Act
from gosonde_common.values.observation import ProcessKey
from gosonde_common.values.reachability import SearchOutcome

KEY = ProcessKey("boot", os.getpid(), 1, 0)


def request(kind: SnapshotKind | None = SnapshotKind.MEMORY, number: int = 1) -> SnapshotRequest:
    return SnapshotRequest(number, KEY, kind)


def taking(taker: Taker, watches: Callable[[ProcessKey], bool] = lambda key: key == KEY) -> Snapshots:
    snapshots = Snapshots(watches)
    snapshots.takers = {SnapshotKind.MEMORY: taker}
    return snapshots


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept, which nobody does."""
    asked: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        asked.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return asked


async def test_a_process_that_is_not_watched_is_not_read() -> None:
    read: list[int] = []
    snapshots = taking(lambda pid, _: bytes(read.append(pid) or 0), lambda _: False)  # type: ignore[func-returns-value]
    with pytest.raises(NotFoundError, match="is not watched"):
        await snapshots.take(request())
    assert not read


async def test_a_process_that_ended_meanwhile_gives_no_snapshot() -> None:
    known = iter((True, False))
    with pytest.raises(NotFoundError, match="has ended"):
        await taking(lambda _pid, _: b"profile", lambda _: next(known)).take(request())


async def test_a_kind_of_a_newer_collector_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="does not know this kind"):
        await taking(lambda _pid, _: b"profile").take(request(None))


async def test_a_process_that_cannot_be_read_gives_the_reason() -> None:
    with pytest.raises(UnsupportedError, match="not a Go binary"):
        await Snapshots(lambda _: True).take(request())


async def test_a_fault_becomes_a_reason_too() -> None:
    def broken(_pid: int, _deadline: Deadline) -> bytes:
        raise ValueError("of ours")

    with pytest.raises(GosondeError, match="ValueError: of ours"):
        await taking(broken).take(request())


async def test_one_is_taken_at_a_time_with_a_pause_between(pauses: list[float]) -> None:
    busy = threading.Lock()

    def exclusive(_pid: int, _deadline: Deadline) -> bytes:
        assert busy.acquire(blocking=False), "two at a time"
        time.sleep(0.05)
        busy.release()
        return b"profile"

    snapshots = taking(exclusive)
    assert await asyncio.gather(*(snapshots.take(request()) for _ in range(3))) == [b"profile"] * 3
    assert [seconds > 0 for seconds in pauses] == [False, True, True]


@pytest.mark.parametrize(("kind", "is_long"), [(SnapshotKind.MEMORY, False), (SnapshotKind.PPROF, True)])
async def test_a_snapshot_that_waited_for_a_cpu_is_followed_by_no_long_pause_but_what_a_process_may_have_done_is(
    pauses: list[float], kind: SnapshotKind, is_long: bool
) -> None:
    def waits(_pid: int, _deadline: Deadline) -> bytes:
        time.sleep(1)
        return b""

    snapshots = taking(waits)
    snapshots.takers = {kind: waits}
    for _ in range(2):
        await snapshots.take(request(kind))
    assert (pauses[1] > 10) == is_long


async def test_nobody_reads_on_when_nobody_waits_any_more() -> None:
    begun, given_up = threading.Event(), threading.Event()

    def endless(_pid: int, deadline: Deadline) -> bytes:
        begun.set()
        try:
            return bytes(len(list(deadline.limit(iter(int, 1)))))
        except OverloadedError:
            given_up.set()
            raise

    task = asyncio.create_task(taking(endless).take(request()))
    await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    assert await asyncio.to_thread(given_up.wait, 20)


async def test_a_process_that_holds_up_its_snapshot_without_end_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gosonde_agent.snapshots.taking.MAX_SECONDS", 0.05)
    monkeypatch.setattr("gosonde_agent.snapshots.taking.GRACE_SECONDS", 0.0)
    served, ended = threading.Event(), threading.Event()
    other = ProcessKey("boot", os.getpid() + 1, 1, 0)

    def held_up(pid: int, _deadline: Deadline) -> bytes:
        if pid == KEY.pid:
            served.wait()
            ended.set()
        return b"profile"

    snapshots = taking(held_up, watches=lambda _: True)
    with pytest.raises(OverloadedError, match="blocks reads of its memory"):
        await snapshots.take(request())
    with pytest.raises(OverloadedError, match="still blocks an earlier snapshot"):
        await snapshots.take(request())
    monkeypatch.setattr("gosonde_agent.snapshots.taking.MAX_SECONDS", 20)
    assert await snapshots.take(SnapshotRequest(2, other, SnapshotKind.MEMORY)) == b"profile"
    served.set()
    assert await asyncio.to_thread(ended.wait, 20)
    assert await when_not_held_up(snapshots) == b"profile"


async def when_not_held_up(snapshots: Snapshots) -> bytes:
    """A snapshot of KEY, asked for until the one that was held up is seen to have ended."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OverloadedError):
                return await snapshots.take(request())


def unnoted(_act: Act, _pid: int, _detail: str) -> None: ...


async def test_a_collector_that_asks_for_too_many_at_a_time_is_cut_off() -> None:
    async def send(_message: encoding.Request) -> None: ...

    answers = SnapshotAnswers(taking(lambda _pid, _: b"profile"), send, unnoted)
    for number in range(MAX_WAITING):
        answers.ask(request(number=number))
    with pytest.raises(InvalidInputError, match="more than 8 snapshots"):
        answers.ask(request())


async def test_an_answer_comes_in_pieces_and_the_last_says_so() -> None:
    sent: list[encoding.Request] = []
    noted: list[tuple[Act, int, str]] = []

    async def send(message: encoding.Request) -> None:
        sent.append(message)

    answers = SnapshotAnswers(taking(lambda _pid, _: bytes(600_000)), send, lambda *note: noted.append(note))
    answers.ask(request(number=7))
    answers.ask(request(None, number=8))
    task = asyncio.create_task(answers.run())
    while len(sent) < 4:
        await asyncio.sleep(0.001)
    task.cancel()
    pieces = [message.snapshot_piece for message in sent]
    assert [piece.id for piece in pieces] == [7, 7, 7, 8]
    assert [piece.last for piece in pieces] == [False, False, True, False]
    assert sum(len(piece.chunk) for piece in pieces) == 600_000
    assert "does not know this kind" in pieces[3].failure
    assert noted[0] == (Act.SNAPSHOT_TAKEN, KEY.pid, "memory: 600,000 bytes")
    assert noted[1][:2] == (Act.SNAPSHOT_FAILED, KEY.pid)
    assert noted[1][2].startswith("unknown kind: the agent does not know this kind")


# --- proofs ----------------------------------------------------------------------------------------------------------

FOUND = SearchOutcome(5, 5, "", 30, 20, 1)


def proving(watches: Callable[[ProcessKey], bool] = lambda key: key == KEY) -> Snapshots:
    async def prove(_key: ProcessKey) -> SearchOutcome:
        return FOUND

    return Snapshots(watches, prove=prove)


async def test_only_an_agent_that_searches_offers_proofs() -> None:
    assert SnapshotKind.PROOF in proving().kinds
    assert SnapshotKind.PROOF not in Snapshots(lambda _: True).kinds
    with pytest.raises(UnsupportedError, match="does not search memory"):
        await Snapshots(lambda _: True).prove(KEY)


async def test_a_process_that_is_gone_before_or_after_its_search_is_not_found() -> None:
    for seen in ((False,), (True, False)):
        known = iter(seen)
        with pytest.raises(NotFoundError, match="has ended"):
            await proving(lambda _, known=known: next(known)).prove(KEY)  # type: ignore[misc]


async def test_proofs_are_answered_side_by_side_and_hold_up_no_file() -> None:
    sent: list[encoding.Request] = []
    under_way, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def send(message: encoding.Request) -> None:
        sent.append(message)

    async def prove(_key: ProcessKey) -> SearchOutcome:
        under_way.release()
        await go_on.wait()
        return FOUND

    snapshots = Snapshots(lambda _: True, prove=prove)
    snapshots.takers = {SnapshotKind.MEMORY: lambda _pid, _: b"profile"}
    answers = SnapshotAnswers(snapshots, send, unnoted)
    for number in range(MAX_WAITING):
        answers.ask(request(SnapshotKind.PROOF, number))
    with pytest.raises(InvalidInputError, match="more than 8 snapshots"):
        answers.ask(request(SnapshotKind.PROOF))
    answers.ask(request(number=100))
    task = asyncio.create_task(answers.run())
    for _ in range(PROOFS_AT_ONCE):
        await under_way.acquire()
    while not sent:
        await asyncio.sleep(0.001)
    assert [message.snapshot_piece.chunk for message in sent] == [b"profile"]
    go_on.set()
    while len(sent) <= MAX_WAITING:
        await asyncio.sleep(0.001)
    task.cancel()
    outcomes = [message.snapshot_piece for message in sent[1:]]
    assert {piece.id for piece in outcomes} == set(range(MAX_WAITING))
    assert {(piece.outcome.examined, piece.outcome.proved, piece.last) for piece in outcomes} == {(30, 20, True)}
