"""What agents say of who has done what is checked: an event that is wrong costs itself alone."""

from typing import Any

import pytest
from gosonde_collector.ingest import quotas
from gosonde_collector.ingest.quotas import QuotaKeeper
from gosonde_collector.ingest.wire import decode_batch
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_common.values.audit import MAX_DETAIL, MAX_WHO, Act, Actor, AuditEvent
from gosonde_pb.v1 import ingest_pb2

from tests.unit.collector.batches import STREAM, act, batch

SOUND = (0, 5, "probes-off", "local", "uid 1000 pid 4711", 7, "/srv/app", "of all processes")
NAMES = ("ordinal", "at_unix_nano", "act", "actor", "who", "pid", "exe", "detail")


def request(*rows: tuple[Any, ...]) -> ingest_pb2.StreamObservationsRequest:
    """A batch with these events and no process."""
    message = ingest_pb2.StreamObservationsRequest()
    message.batch.sequence = 1
    message.batch.observation.taken_unix_nano = 9
    for row in rows:
        for name, value in zip(NAMES, row, strict=True):
            getattr(message.batch.observation.audit_events, name).append(value)
    return message


def test_a_sound_event_is_understood() -> None:
    found = decode_batch(STREAM, request(SOUND))
    assert found.audit == (AuditEvent(0, 5, Act.PROBES_OFF, Actor.LOCAL, *SOUND[4:]),)
    assert not found.left_out


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("ordinal", 1 << 63),
        ("at_unix_nano", -1),
        ("act", "everything-forgotten"),
        ("act", "findings-muted"),
        ("actor", "nobody"),
        ("actor", "page"),
        ("who", "x" * (MAX_WHO + 1)),
        ("exe", "x" * 4_097),
        ("detail", "x" * (MAX_DETAIL + 1)),
    ],
)
def test_an_event_that_is_wrong_costs_itself_alone_and_is_named(column: str, value: object) -> None:
    wrong = tuple(value if name == column else sound for name, sound in zip(NAMES, SOUND, strict=True))
    found = decode_batch(STREAM, request(SOUND, wrong, (1, *SOUND[1:])))
    assert [event.ordinal for event in found.audit] == [0, 1]
    assert found.left_out == {"audit_events": 1}
    assert f"audit_events.{column}" in found.fault


def test_columns_of_different_length_have_no_event() -> None:
    message = request(SOUND)
    message.batch.observation.audit_events.who.append("somebody")
    found = decode_batch(STREAM, message)
    assert found.audit == ()
    assert "columns of different lengths" in found.fault


def test_of_too_many_events_in_a_batch_the_first_stay_and_the_others_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quotas, "MAX_AUDIT_EVENTS", 3)
    telemetry = Telemetry()
    kept = QuotaKeeper(telemetry.running, telemetry).limited(batch(1, audit=list(map(act, range(5)))))
    assert kept.audit == tuple(map(act, range(3)))
    sample = telemetry.registry.get_sample_value("gosonde_collector_beyond_quota_total", {"what": "audit_events"})
    assert sample == 2
