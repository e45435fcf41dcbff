"""What Alertmanager is sent has the times that its API wants, whatever a host's clock says."""

from dataclasses import replace

import pytest
from gosonde_collector.outward.alerts.alert import SECOND, Alert
from gosonde_collector.outward.alerts.alertmanager import Alertmanager
from gosonde_collector.outward.alerts.ledger import Message

from tests.http_receiver import Receiver

NOW = 1_000 * SECOND
ALERT = Alert("1", "info", "opened", {"host": "web-1"}, {"live": "5"}, 900 * SECOND, "https://page/findings/1")


@pytest.mark.parametrize(
    ("starts_s", "ended_s", "posted"),
    [
        (900, 0, ("00:15:00", "00:21:40")),
        (5_000, 0, ("00:16:40", "00:21:40")),
        (900, 999, ("00:15:00", "00:16:39")),
        (5_000, 999, ("00:16:39", "00:16:39")),
    ],
)
async def test_an_alert_has_begun_and_ends_in_five_minutes_or_when_it_is_over(
    starts_s: int, ended_s: int, posted: tuple[str, str]
) -> None:
    begun = replace(ALERT, starts_unix_nano=starts_s * SECOND)
    with Receiver() as receiver:
        await Alertmanager(receiver.url, None).send([Message(begun, ended_s * SECOND)], NOW)
        (request,) = receiver.requests
    (alert,) = request.document
    assert (alert["startsAt"], alert["endsAt"]) == tuple(f"1970-01-01T{time}.000Z" for time in posted)
    assert alert["labels"] == {"host": "web-1", "severity": "info"}
    assert alert["generatorURL"] == ALERT.url
