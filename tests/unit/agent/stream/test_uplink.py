import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from gosonde_agent.host.identity import Identity
from gosonde_agent.stream.collector_stream import StreamLimits
from gosonde_agent.stream.journal import (
    EVENTS_DROPPED,
    FILE_NAME,
    Journal,
    JournalLimits,
)
from gosonde_agent.stream.spool import MAX_EVENTS_IN_MEMORY
from gosonde_agent.stream.uplink import (
    CHANNEL_OPTIONS,
    STREAM_LIMITS,
    TIMEOUTS,
    Timeouts,
    Uplink,
)
from gosonde_common.channels import KEEPALIVE
from gosonde_common.serving import SERVER_OPTIONS
from gosonde_pb.v1 import ingest_pb2
from structlog.testing import capture_logs

from tests.flaky_proxy import flaky_proxy
from tests.paths import ROOT
from tests.unit.agent.observations import count, cycle, observed, pause, process
from tests.unit.agent.recording_collector import RecordingCollector, eventually, serving

IDENTITY = Identity("a" * 32, "e" * 32, "host", "boot")
FAST = Timeouts(first_backoff_seconds=0.02, last_backoff_seconds=0.1)
ONE, TWO = process(1), process(2)


def uplink_to(
    *collectors: str,
    journal: Journal | None = None,
    stream_limits: StreamLimits = STREAM_LIMITS,
    timeouts: Timeouts = FAST,
    interval_seconds: float = 0.01,
) -> Uplink:
    return Uplink(collectors, IDENTITY, interval_seconds, journal, stream_limits=stream_limits, timeouts=timeouts)


@asynccontextmanager
async def running(uplink: Uplink) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(uplink.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def acknowledged(uplink: Uplink) -> None:
    """Waits until everything offered is acknowledged and something was."""
    await eventually(lambda: uplink.settled and uplink.status().acknowledged_sequence > 0)


async def test_the_first_request_is_a_hello_and_batches_count_from_one() -> None:
    collector = RecordingCollector()
    async with serving(collector) as address, running(uplink := uplink_to(address)):
        for step in range(1, 6):
            await uplink.offer(observed(ONE, taken=step, site_counts=(count(ONE, 1, step),)))
            await eventually(lambda step=step: collector.totals.get((ONE.key, 1)) == (step, 0))  # type: ignore[misc]
        await acknowledged(uplink)
        assert uplink.status().connected
    (hello,) = collector.hellos
    assert (hello.agent_id, hello.agent_epoch, hello.host) == (IDENTITY.agent_id, IDENTITY.agent_epoch, "host")
    assert collector.sequences == list(range(1, len(collector.sequences) + 1))
    assert collector.unnamed == 0


async def test_the_hello_says_why_no_probes_can_be_placed_and_that_of_a_former_run_does_not(tmp_path: Path) -> None:
    former = Journal("boot", tmp_path / FILE_NAME)
    await Uplink(["127.0.0.1:1"], replace(IDENTITY, agent_epoch="d" * 32), 0.01, former).offer(observed(ONE))
    former.close()
    collector = RecordingCollector()
    journal = Journal("boot", tmp_path / FILE_NAME)
    async with serving(collector) as address:
        uplink = Uplink([address], IDENTITY, 0.01, journal, no_probes_because="no \udc80" + "!" * 100_000)
        async with running(uplink):
            await eventually(lambda: len(collector.hellos) == 2)
    left, own = collector.hellos
    assert not left.no_probes_because
    assert own.no_probes_because.startswith("no \ufffd")
    assert own.no_probes_because.endswith("!…")
    assert len(own.no_probes_because) < 20_000


async def test_a_batch_holds_only_what_changed() -> None:
    collector = RecordingCollector()
    async with serving(collector) as address, running(uplink := uplink_to(address)):
        await uplink.offer(
            observed(ONE, TWO, site_counts=(count(ONE, 1, 1), count(TWO, 1, 1)), pauses=(pause(ONE, 0),))
        )
        await eventually(lambda: len(collector.batches) == 1)
        await uplink.offer(observed(ONE, TWO, taken=2, site_counts=(count(ONE, 1, 1), count(TWO, 1, 2))))
        await eventually(lambda: len(collector.batches) == 2)
        await uplink.offer(observed(ONE, TWO, taken=3))
        await eventually(lambda: len(collector.batches) == 3)
    second, third = collector.batches[1:]
    assert [entry.key.pid for entry in second.observation.processes] == [2]
    assert list(second.observation.site_counters.created) == [2]
    assert not second.observation.site_names.pc
    assert not second.observation.pauses.ordinal
    assert third.observation.taken_unix_nano == 3
    assert not third.observation.processes


async def test_a_process_that_no_collector_knows_is_sent_at_once_however_long_the_interval_is() -> None:
    collector = RecordingCollector()
    async with serving(collector) as address, running(uplink := uplink_to(address, interval_seconds=3_600.0)):
        await eventually(lambda: uplink.status().connected)
        await uplink.offer(observed(ONE))
        await eventually(lambda: len(collector.batches) == 1)
        await uplink.offer(observed(ONE, TWO, taken=2))
        await eventually(lambda: len(collector.batches) == 2)
        await uplink.offer(observed(ONE, TWO, taken=3, site_counts=(count(TWO, 1, 2),)))
        await uplink.offer(observed(ONE, TWO, process(3), taken=4))
        await eventually(lambda: len(collector.batches) == 4)
    assert [batch.observation.taken_unix_nano for batch in collector.batches] == [1, 2, 3, 4]


async def test_what_is_new_of_known_processes_waits_for_its_turn() -> None:
    collector = RecordingCollector()
    async with serving(collector) as address, running(uplink := uplink_to(address, interval_seconds=3_600.0)):
        await uplink.offer(observed(ONE))
        await eventually(lambda: uplink.settled)
        await uplink.offer(observed(ONE, taken=2, site_counts=(count(ONE, 1, 2),)))
        await asyncio.sleep(0.05)
        assert len(collector.batches) == 1
    assert collector.totals == {(ONE.key, 1): (2, 0)}, "the end waits for nothing"


async def test_with_no_collector_it_holds_nothing_and_ends_at_once() -> None:
    uplink = uplink_to()
    async with running(uplink):
        await uplink.offer(observed(ONE, pauses=(pause(ONE, 0),)))
        await asyncio.sleep(0.05)
    assert uplink.status().collector == ""
    assert uplink.settled


async def test_a_collector_that_appears_later_gets_everything() -> None:
    address = f"127.0.0.1:{free_port()}"
    collector = RecordingCollector()
    async with running(uplink := uplink_to(address)):
        for step in range(1, 101):
            await uplink.offer(
                observed(ONE, taken=step, site_counts=(count(ONE, 1, step),), pauses=(pause(ONE, step),))
            )
        await eventually(lambda: "UNAVAILABLE" in uplink.status().error)
        assert not uplink.status().connected
        async with serving(collector, address):
            await eventually(lambda: len(collector.batches) > 0)
            await acknowledged(uplink)
            assert uplink.status().error == ""
    assert collector.totals == {(ONE.key, 1): (100, 0)}
    assert collector.events == {pause(ONE, step) for step in range(1, 101)}


async def test_nothing_is_lost_when_streams_break_before_a_batch_is_stored() -> None:
    collector = RecordingCollector()
    collector.broken_after = 3
    events = set()
    async with serving(collector) as address, running(uplink := uplink_to(address)):
        for step in range(1, 61):
            new = (pause(ONE, step),), (cycle(ONE, step),)
            events |= {*new[0], *new[1]}
            await uplink.offer(
                observed(ONE, TWO, taken=step, site_counts=(count(ONE, step, step),), pauses=new[0], gc_cycles=new[1])
            )
            await asyncio.sleep(0.01 if len(collector.hellos) > 3 else 0.1)
        collector.broken_after = None
        await acknowledged(uplink)
        await eventually(lambda: collector.events == events)
    assert len(collector.hellos) > 3
    assert collector.totals == {(ONE.key, step): (step, 0) for step in range(1, 61)}
    assert collector.unnamed == 0
    assert collector.sequences == sorted(set(collector.sequences)), "a number was used twice"
    assert uplink.losses()[EVENTS_DROPPED] == 0


async def test_a_collector_that_restarts_on_its_port_gets_the_whole_state_again() -> None:
    before, after = RecordingCollector(), RecordingCollector()
    async with running(uplink := uplink_to(address := f"127.0.0.1:{free_port()}")):
        async with serving(before, address):
            await uplink.offer(
                observed(ONE, TWO, site_counts=(count(ONE, 1, 1), count(TWO, 1, 1)), pauses=(pause(ONE, 0),))
            )
            await acknowledged(uplink)
        await uplink.offer(observed(ONE, TWO, taken=2, site_counts=(count(ONE, 1, 2),)))
        async with serving(after, address):
            await eventually(lambda: len(after.batches) > 0)
            await acknowledged(uplink)
    assert after.totals == {(ONE.key, 1): (2, 0), (TWO.key, 1): (1, 0)}
    assert after.unnamed == 0
    assert after.events == set(), "an acknowledged event was sent again"


async def test_the_last_totals_of_an_ended_process_survive_an_outage() -> None:
    before, after = RecordingCollector(), RecordingCollector()
    ended = process(1, ended_unix_nano=99)
    async with running(uplink := uplink_to(address := f"127.0.0.1:{free_port()}")):
        async with serving(before, address):
            await uplink.offer(observed(ONE, TWO, site_counts=(count(ONE, 1, 10, 3),)))
            await acknowledged(uplink)
        await uplink.offer(observed(ended, TWO, taken=2, site_counts=(count(ONE, 1, 12, 12),)))
        for step in range(3, 20):
            await uplink.offer(observed(TWO, taken=step))
        async with serving(after, address):
            await eventually(lambda: len(after.batches) > 0)
            await acknowledged(uplink)
    assert after.processes[ONE.key] == ended
    assert after.totals[ONE.key, 1] == (12, 12)


async def test_no_more_batches_than_the_window_are_unacknowledged() -> None:
    collector = RecordingCollector()
    collector.acknowledging.clear()
    async with serving(collector) as address, running(uplink := uplink_to(address)):
        for step in range(1, 200):
            await uplink.offer(observed(ONE, taken=step, site_counts=(count(ONE, 1, step),)))
            await asyncio.sleep(0.002)
        await eventually(lambda: uplink.status().last_sequence == STREAM_LIMITS.window)
        await asyncio.sleep(0.1)
        assert uplink.status().last_sequence == STREAM_LIMITS.window
        assert uplink.status().acknowledged_sequence == 0
        collector.acknowledging.set()
        await eventually(lambda: collector.totals == {(ONE.key, 1): (199, 0)})
        await acknowledged(uplink)


async def test_a_collector_that_never_acknowledges_costs_a_bounded_amount() -> None:
    collector = RecordingCollector()
    collector.acknowledging.clear()
    journal = Journal("boot", limits=JournalLimits(bytes=5_000))
    async with serving(collector) as address, running(uplink := uplink_to(address, journal=journal)):
        for step in range(2000):
            await uplink.offer(
                observed(ONE, taken=step + 1, site_counts=(count(ONE, step % 10, step),), pauses=(pause(ONE, step),))
            )
            if step % 100 == 0:
                await asyncio.sleep(0.005)
        assert uplink.held_rows == 11
        assert journal.size <= 5_000
        dropped = uplink.losses()[EVENTS_DROPPED]
        assert dropped > 0
        collector.acknowledging.set()
        await acknowledged(uplink)
        await eventually(lambda: uplink.settled)
    expected = {(ONE.key, pc): (1990 + pc, 0) for pc in range(10)}
    assert collector.totals == expected
    assert {pause(ONE, step) for step in range(dropped, 2000)} <= collector.events


async def test_what_a_killed_agent_left_is_delivered_first_under_its_own_epoch(tmp_path: Path) -> None:
    former = Journal("boot", tmp_path / FILE_NAME)
    uplink = Uplink(["127.0.0.1:1"], replace(IDENTITY, agent_epoch="d" * 32), 0.01, former)
    await uplink.offer(observed(ONE, site_counts=(count(ONE, 1, 5),), pauses=(pause(ONE, 0),)))
    former.close()
    collector = RecordingCollector()
    journal = Journal("boot", tmp_path / FILE_NAME)
    async with serving(collector) as address, running(uplink := uplink_to(address, journal=journal)):
        await uplink.offer(observed(ONE, taken=2, site_counts=(count(ONE, 1, 1),)))
        await eventually(lambda: len(collector.hellos) == 2)
        await acknowledged(uplink)
    first, second = collector.hellos
    assert (first.agent_epoch, second.agent_epoch) == ("d" * 32, IDENTITY.agent_epoch)
    assert second.agent_run == first.agent_run + 1
    assert second.previous_end == ingest_pb2.PREVIOUS_END_KILLED
    assert collector.sequences[:2] == [(1 << 40) + 1, 1]
    assert collector.observations[0].site_counts == (count(ONE, 1, 5),)
    assert collector.events == {pause(ONE, 0)}
    journal.close()
    again = Journal("boot", tmp_path / FILE_NAME)
    assert uplink_to(address, journal=again).settled
    again.close()


async def test_a_large_state_arrives_whole_in_small_batches() -> None:
    collector = RecordingCollector()
    rows = tuple(count(of, pc, pc) for of in (ONE, TWO) for pc in range(3000))
    limits = replace(STREAM_LIMITS, batch_bytes=50_000)
    async with serving(collector) as address, running(uplink := uplink_to(address, stream_limits=limits)):
        await uplink.offer(observed(ONE, TWO, site_counts=rows, pauses=tuple(pause(ONE, step) for step in range(2000))))
        await eventually(lambda: len(collector.totals) == 6000 and len(collector.events) == 2000)
        await acknowledged(uplink)
    assert len(collector.batches) > 5
    assert max(batch.observation.ByteSize() for batch in collector.batches) <= 50_000
    assert collector.unnamed == 0


async def test_the_next_collector_takes_over_and_gets_the_whole_state() -> None:
    first, second = RecordingCollector(), RecordingCollector()
    async with serving(second) as fallback:
        address = f"127.0.0.1:{free_port()}"
        async with running(uplink := uplink_to(address, fallback)):
            async with serving(first, address):
                await eventually(lambda: uplink.status().connected)
                await uplink.offer(observed(ONE, site_counts=(count(ONE, 1, 1),), pauses=(pause(ONE, 0),)))
                await eventually(lambda: first.received + second.received > 0)
                await acknowledged(uplink)
            await uplink.offer(observed(ONE, taken=2, site_counts=(count(ONE, 1, 2),), pauses=(pause(ONE, 1),)))
            await eventually(lambda: second.totals == {(ONE.key, 1): (2, 0)})
            await eventually(lambda: first.events | second.events == {pause(ONE, 0), pause(ONE, 1)})
            assert uplink.status().collector == fallback


async def test_batches_travel_compressed() -> None:
    sites = tuple(count(ONE, pc, pc, pc // 2) for pc in range(1, 5_001))
    collector = RecordingCollector()
    async with (
        serving(collector) as address,
        flaky_proxy(int(address.rpartition(":")[2])) as proxy,
        running(uplink := uplink_to(proxy.address)),
    ):
        await uplink.offer(observed(ONE, site_counts=sites))
        await acknowledged(uplink)
        travelled = proxy.passed[0]
    assert len(collector.totals) == len(sites)
    assert travelled < sum(batch.ByteSize() for batch in collector.batches) / 3


def test_pings_are_often_enough_for_nats_and_seldom_enough_for_the_server() -> None:
    """A NAT may forget a silent connection after a minute; a server ends one that pings more often than it allows."""
    agent, server = dict(KEEPALIVE), dict(SERVER_OPTIONS)
    for side in (agent, server):
        assert side["grpc.keepalive_time_ms"] + side["grpc.keepalive_timeout_ms"] < 60_000
        assert side["grpc.keepalive_permit_without_calls"] == 1
    assert agent["grpc.keepalive_time_ms"] > server["grpc.http2.min_ping_interval_without_data_ms"]
    assert agent["grpc.http2.max_pings_without_data"] == 0, "without a bound on how often"
    assert set(KEEPALIVE) <= set(CHANNEL_OPTIONS)


async def test_a_collector_may_listen_on_a_unix_socket(tmp_path: Path) -> None:
    collector = RecordingCollector()
    socket_address = f"unix:{tmp_path / 'collector.sock'}"
    async with serving(collector, socket_address) as address, running(uplink := uplink_to(address)):
        await uplink.offer(observed(ONE))
        await eventually(lambda: len(collector.batches) == 1)


async def test_what_is_left_at_the_stop_is_flushed() -> None:
    collector = RecordingCollector()
    async with serving(collector) as address:
        async with running(uplink := uplink_to(address)):
            await uplink.offer(observed(ONE, site_counts=(count(ONE, 1, 1),)))
            await acknowledged(uplink)
            await uplink.offer(observed(process(1, ended_unix_nano=5), taken=2, site_counts=(count(ONE, 1, 7, 7),)))
        assert collector.totals == {(ONE.key, 1): (7, 7)}
        assert uplink.status().acknowledged_sequence == uplink.status().last_sequence


async def test_a_stop_right_after_the_start_still_delivers() -> None:
    collector = RecordingCollector()
    async with serving(collector) as address:
        uplink = uplink_to(address)
        await uplink.offer(observed(ONE, site_counts=(count(ONE, 1, 1),)))
        async with running(uplink):
            await asyncio.sleep(0)
    assert collector.totals == {(ONE.key, 1): (1, 0)}


async def test_a_stop_does_not_wait_for_a_collector_that_is_away_or_deaf() -> None:
    deaf = RecordingCollector()
    deaf.acknowledging.clear()
    async with serving(deaf) as address:
        for target in (address, f"127.0.0.1:{free_port()}"):
            uplink = uplink_to(target, timeouts=replace(FAST, flush_seconds=0.2))
            await uplink.offer(observed(ONE))
            task = asyncio.create_task(uplink.run())
            await asyncio.sleep(0.1)
            task.cancel()
            with capture_logs() as logs:
                done, _ = await asyncio.wait({task}, timeout=10)
            assert done == {task}
            assert task.cancelled()
            assert "no collector acknowledged" in logs[-1]["event"]


async def test_a_collector_that_does_not_answer_the_hello_or_falls_silent_is_left() -> None:
    mute, deaf, good = RecordingCollector(), RecordingCollector(), RecordingCollector()
    mute.answering.clear()
    deaf.acknowledging.clear()
    good.answering.clear()
    limits = replace(STREAM_LIMITS, answer_seconds=0.1, acknowledge_seconds=0.1)
    async with (
        serving(mute) as first,
        serving(deaf) as second,
        serving(good) as third,
        running(uplink := uplink_to(first, second, third, stream_limits=limits)),
    ):
        await uplink.offer(observed(ONE, site_counts=(count(ONE, 1, 1),), pauses=(pause(ONE, 0),)))
        await eventually(lambda: bool(mute.hellos and deaf.batches))
        good.answering.set()
        await eventually(lambda: good.totals == {(ONE.key, 1): (1, 0)})
        assert good.events == {pause(ONE, 0)}


async def test_an_acknowledgement_of_what_was_never_sent_ends_the_stream() -> None:
    collector = RecordingCollector()
    collector.overstate = 100
    async with serving(collector) as address, running(uplink := uplink_to(address)):
        await uplink.offer(observed(ONE, pauses=(pause(ONE, 0),)))
        await eventually(lambda: "acknowledged batch 101, but only 1 were sent" in uplink.status().error)
        assert uplink.status().acknowledged_sequence == 0
        assert not uplink.settled


async def answer_as_a_web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_server_that_is_no_collector_is_reported_and_survived() -> None:
    async with await asyncio.start_server(answer_as_a_web_server, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with running(uplink := uplink_to(f"127.0.0.1:{port}")) as task:
            await uplink.offer(observed(ONE))
            await eventually(lambda: uplink.status().error != "")
            assert not task.done()


async def test_the_same_failure_is_logged_once_a_minute_and_not_at_each_try() -> None:
    with capture_logs() as logs:
        async with running(uplink := uplink_to(f"127.0.0.1:{free_port()}")):
            await uplink.offer(observed(ONE))
            await eventually(lambda: uplink.failures > 5)
    assert len([entry for entry in logs if "no connection" in entry["event"]]) == 1


async def test_a_row_that_cannot_be_sent_costs_itself_alone_and_is_counted() -> None:
    collector = RecordingCollector()
    async with serving(collector) as address, running(uplink := uplink_to(address)) as task:
        with capture_logs() as logs:
            await uplink.offer(
                observed(ONE, site_counts=(count(ONE, 1, -1), count(ONE, 2, 7)), pauses=(pause(ONE, 0),))
            )
            await eventually(lambda: collector.totals == {(ONE.key, 2): (7, 0)})
        assert not task.done()
        assert [entry["rows"] for entry in logs if entry["log_level"] == "error"] == [1]
        assert uplink.losses()["rows_unreportable"] == 1
        await uplink.offer(observed(ONE, taken=2, site_counts=(count(ONE, 1, 1),)))
        await eventually(lambda: collector.totals == {(ONE.key, 1): (1, 0), (ONE.key, 2): (7, 0)})


def test_the_defaults_are_those_that_the_reference_gives() -> None:
    text = (ROOT / "docs" / "agent.md").read_text()
    assert STREAM_LIMITS.window == 4
    assert "At most four batches" in text
    assert f"above {STREAM_LIMITS.batch_bytes >> 20} MiB" in text
    assert f"waits {TIMEOUTS.first_backoff_seconds:g} s" in text
    assert f"at most {TIMEOUTS.last_backoff_seconds:g} s" in text
    assert f"at most {TIMEOUTS.flush_seconds:g} s" in text
    assert f"nothing for {STREAM_LIMITS.acknowledge_seconds:g} s" in text
    assert f"at most {MAX_EVENTS_IN_MEMORY:,} events" in text
