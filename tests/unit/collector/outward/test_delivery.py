"""What a receiver does not take is told again until it does, and nothing is lost unseen."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gosonde_collector.config import CollectorConfig
from gosonde_collector.outward.alerts.alert import Alert
from gosonde_collector.outward.alerts.delivery import Delivery
from gosonde_collector.outward.alerts.ledger import Wanted
from gosonde_collector.outward.alerts.ledgers import Ledgers
from gosonde_collector.outward.backoff import FIRST_REST_S, LONGEST_REST_S, Backoff
from gosonde_collector.outward.counts import Counts
from gosonde_collector.outward.receivers import receivers
from gosonde_collector.store.protocol import Store
from prometheus_client import CollectorRegistry

from tests.agent_process import free_port
from tests.http_receiver import PATIENCE_S, Receiver, Reply

ALERT = Alert("1", "warning", "growing", {"host": "web-1"}, {"live": "5"}, 7)
BOTH = Wanted({"1": ALERT, "2": replace(ALERT, finding="2")}, {})


class Told:
    """One receiver of a configuration, with a store; a new one of the same store is a restart."""

    def __init__(self, store: Store, config: CollectorConfig) -> None:
        self.registry = CollectorRegistry()
        ledgers = Ledgers(store, store.reported())
        (receiver,) = receivers(config)
        (ledger,) = ledgers.of([receiver])
        self.of = {"kind": receiver.kind, "to": receiver.place}
        self.delivery = Delivery(receiver, ledger, Counts(self.registry), ledgers.keep)

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"gosonde_collector_outward_{name}", {**self.of, **labels})

    async def until(self, wanted: Wanted, is_so: Callable[[], bool]) -> None:
        """Round after round."""
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < end
            await self.delivery.round(wanted)
            await asyncio.sleep(0.05)


def webhook(receiver: Receiver, **keys: float) -> CollectorConfig:
    return CollectorConfig(webhook_to=receiver.url, **keys)  # type: ignore[arg-type]


async def test_who_was_down_is_told_once_it_is_there(store: Store) -> None:
    port = free_port()
    told = Told(store, CollectorConfig(webhook_to=f"http://127.0.0.1:{port}"))
    await told.until(BOTH, lambda: told.count("failures_total", reason="unreachable") == 2)
    assert (told.count("waiting"), told.count("sent_total"), store.reported()) == (2, 0, [])
    with Receiver(port=port) as receiver:
        await told.until(BOTH, lambda: told.count("sent_total") == 2)
        assert [request.document["finding"] for request in receiver.requests] == ["1", "2"]
    assert (told.count("waiting"), told.count("dropped_total", reason="refused")) == (0, 0)


async def test_what_fails_there_is_sent_again_under_the_same_name(store: Store) -> None:
    with Receiver() as receiver:
        receiver.replies += [Reply(500), Reply(500)]
        told = Told(store, webhook(receiver))
        await told.until(BOTH, lambda: told.count("sent_total") == 2)
        assert told.count("failures_total", reason="status") == 2
        names = [request.headers["Idempotency-Key"] for request in receiver.requests]
    assert names == ["1-7-firing-warning"] * 3 + ["2-7-firing-warning"]


async def test_what_is_refused_for_good_is_dropped_and_keeps_nothing_else_waiting(store: Store) -> None:
    with Receiver() as receiver:
        receiver.replies.append(Reply(422))
        told = Told(store, webhook(receiver))
        await told.delivery.round(BOTH)
        await told.delivery.round(BOTH)
        assert len(receiver.requests) == 2
    assert (told.count("dropped_total", reason="refused"), told.count("sent_total")) == (1, 1)


async def test_a_restart_tells_nothing_twice_and_says_what_is_over(store: Store) -> None:
    with Receiver() as receiver:
        await Told(store, webhook(receiver)).delivery.round(BOTH)
        await Told(store, webhook(receiver)).delivery.round(Wanted({"1": ALERT}, {"2": "resolved"}))
        said = [(r.document["finding"], r.document["status"]) for r in receiver.requests]
    assert said == [("1", "firing"), ("2", "firing"), ("2", "resolved")]
    assert [one.finding for one in store.reported()] == ["1"]


async def test_what_another_receiver_was_told_is_not_taken_for_this_ones(store: Store) -> None:
    with Receiver() as first, Receiver() as second:
        await Told(store, webhook(first)).delivery.round(BOTH)
        await Told(store, webhook(second)).delivery.round(BOTH)
        assert len(second.requests) == 2


async def test_a_full_disk_keeps_nobody_from_being_told(store: Store) -> None:
    store.min_free_bytes = 1 << 60
    with Receiver() as receiver:
        await Told(store, webhook(receiver)).delivery.round(BOTH)
        assert len(receiver.requests) == 2
    store.min_free_bytes = 0
    assert store.reported() == []


async def test_a_receiver_is_sent_no_more_than_it_may_be_sent(store: Store) -> None:
    with Receiver() as receiver:
        told = Told(store, webhook(receiver, webhook_per_minute=1))
        await told.delivery.round(BOTH)
        await told.delivery.round(BOTH)
        assert len(receiver.requests) == 1
    assert told.count("waiting") == 1


async def test_an_empty_body_is_not_sent_and_is_counted(store: Store, tmp_path: Path) -> None:
    (tmp_path / "body").write_text('{% if finding == "2" %}{"text": {{ finding | tojson }} }{% endif %}')
    with Receiver() as receiver:
        config = CollectorConfig(webhook_to=receiver.url, webhook_template=str(tmp_path / "body"))
        told = Told(store, config)
        await told.delivery.round(BOTH)
        assert [request.document for request in receiver.requests] == [{"text": "2"}]
    assert (told.count("skipped_total"), told.count("sent_total")) == (1, 1)


async def test_secrets_are_read_at_each_sending_and_a_lost_one_is_named(store: Store, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    with Receiver() as receiver:
        told = Told(store, CollectorConfig(webhook_to=receiver.url, webhook_token=str(token)))
        await told.delivery.round(Wanted({"1": ALERT}, {}))
        token.write_text("second\r\nX-Evil: 1\n")
        await told.until(BOTH, lambda: told.count("failures_total", reason="secret") == 1)
        token.write_text("third\n")
        await told.until(BOTH, lambda: told.count("sent_total") == 2)
        assert [r.headers["Authorization"] for r in receiver.requests] == ["Bearer first", "Bearer third"]


def test_rests_become_longer_up_to_a_bound_and_are_never_shorter_than_asked_for() -> None:
    now = 0.0
    rests = Backoff(lambda: now)
    lengths = []
    for _ in range(10):
        rests.failed(0)
        lengths.append(rests.until_s - now)
    assert 0.75 * FIRST_REST_S <= lengths[0] <= 1.25 * FIRST_REST_S
    assert 0.75 * LONGEST_REST_S <= lengths[-1] <= 1.25 * LONGEST_REST_S
    rests.failed(500)
    assert (rests.is_resting, rests.until_s) == (True, 500)
    now = 500.0
    assert not rests.is_resting
    rests.succeeded()
    rests.failed(0)
    assert rests.until_s - now <= 1.25 * FIRST_REST_S
