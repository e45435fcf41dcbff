"""What an agent sends of pending timers is checked; a reading that is wrong costs itself alone."""

import pytest
from gosonde_collector.ingest import wire_timers
from gosonde_collector.ingest.wire import decode_batch
from gosonde_collector.model.errors import BatchError
from gosonde_common.values.timers import MAX_TIMER_GROUPS
from gosonde_pb.v1 import ingest_pb2, model_pb2

from tests.unit.collector.batches import STREAM


def group(callback: str = "main.f", kind: str = "func", pending: int = 4) -> model_pb2.TimerGroups:
    return model_pb2.TimerGroups(
        callback=[callback],
        waits_in=[""],
        kind=[kind],
        pending=[pending],
        next_in_ns=[5],
        period_ns=[0],
        retained_heap_bytes=[64],
        lasting=[4],
    )


def readings(*groups: model_pb2.TimerGroups, pending: int = 4) -> model_pb2.TimerReadings:
    count = len(groups)
    zeros = [0] * count
    return model_pb2.TimerReadings(
        process=zeros,
        read_unix_nano=[9] * count,
        unread=[""] * count,
        pending=[pending] * count,
        others=zeros,
        other_groups=zeros,
        changing=zeros,
        unproved=zeros,
        stands_for_thousandths=[1_000] * count,
        heap_unread=[""] * count,
        groups=groups,
    )


def test_the_groups_of_a_reading_are_lists_in_its_row() -> None:
    found = wire_timers.columns(readings(group()))
    assert found["group_callback"].tolist() == [["main.f"]]
    assert found["group_pending"].tolist() == [[4]]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (readings(group(), pending=5), "is not what is pending"),
        (readings(group(kind="alarm")), "'alarm', which is not known"),
        (readings(group(pending=1 << 63)), "outside of 0 to"),
        (readings(group(callback="x" * 20_000)), "is longer than"),
        (readings(group(pending=3), pending=3), "lasting has more than are pending"),
    ],
    ids=["sum", "kind", "number", "text", "lasting"],
)
def test_what_cannot_be_is_refused(message: model_pb2.TimerReadings, says: str) -> None:
    with pytest.raises(BatchError, match=says):
        wire_timers.columns(message)


def test_what_an_older_agent_does_not_say_is_stored_as_not_known() -> None:
    old = group()
    del old.lasting[:]
    assert wire_timers.columns(readings(old))["group_lasting"].tolist() == [[-1]]


def test_more_groups_than_an_agent_sends_are_refused() -> None:
    many = group()
    for name in (
        "callback",
        "waits_in",
        "kind",
        "pending",
        "next_in_ns",
        "period_ns",
        "retained_heap_bytes",
        "lasting",
    ):
        getattr(many, name).extend([getattr(many, name)[0]] * MAX_TIMER_GROUPS)
    with pytest.raises(BatchError, match="33 groups; a reading may have 32"):
        wire_timers.columns(readings(many))


def test_a_wrong_reading_costs_itself_alone() -> None:
    seen = model_pb2.Observation(taken_unix_nano=9, timer_readings=readings(group(), group(kind="alarm")))
    seen.processes.add(key=model_pb2.ProcessKey(pid=7), level=model_pb2.LEVEL_FULL)
    request = ingest_pb2.StreamObservationsRequest(batch=ingest_pb2.Batch(sequence=1, observation=seen))
    batch = decode_batch(STREAM, request)
    assert batch.left_out == {"timer_readings": 1}
    assert batch.timer_readings["group_kind"].tolist() == [["func"]]
