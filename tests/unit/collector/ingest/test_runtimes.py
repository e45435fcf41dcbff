"""What an agent sends of runtimes is checked; a reading that is wrong costs itself alone."""

import pytest
from gosonde_collector.ingest import wire_runtime
from gosonde_collector.ingest.quotas import QuotaKeeper
from gosonde_collector.ingest.wire import decode_batch
from gosonde_collector.model.errors import BatchError
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_common.values.runtime import UNLIMITED, RuntimeFigures
from gosonde_common.wire.runtime import UNKNOWN, encode_runtimes
from gosonde_pb.v1 import ingest_pb2, model_pb2

from tests.unit.collector.batches import STREAM, batch

FIGURES = RuntimeFigures(9, goroutines=7, memory_limit_bytes=UNLIMITED)
WAITED = RuntimeFigures(9, schedule_durations=tuple(range(14)))


def message(*rows: RuntimeFigures) -> model_pb2.RuntimeReadings:
    made = model_pb2.RuntimeReadings()
    encode_runtimes(made, rows, [0] * len(rows))
    return made


def test_figures_are_columns_and_what_is_not_known_is_said() -> None:
    found = wire_runtime.columns(message(FIGURES))
    assert [found[name].tolist() for name in ("goroutines", "memory_limit_bytes", "gc_goal_bytes")] == [
        [7],
        [UNLIMITED],
        [UNKNOWN],
    ]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("goroutines", -1, r"runtime_readings.goroutines\[0\] is -1, which no runtime has"),
        ("gogc_percent", -3, r"gogc_percent\[0\] is -3"),
        ("stack_bytes", (1 << 63) - 1, "outside of"),
        ("read_unix_nano", -1, "outside of 0 to"),
    ],
)
def test_what_no_runtime_has_is_refused(name: str, value: int, says: str) -> None:
    wrong = message(FIGURES)
    getattr(wrong, name)[0] = value
    with pytest.raises(BatchError, match=says):
        wire_runtime.columns(wrong)


def test_counts_that_are_too_few_or_too_large_are_refused() -> None:
    wrong = message(FIGURES)
    wrong.schedule_durations[0].counts.extend([1, 2])
    with pytest.raises(BatchError, match=r"schedule_durations\[0\] has 2 counts, not 14"):
        wire_runtime.columns(wrong)
    wrong.schedule_durations[0].counts[:] = [1 << 63] * 14
    with pytest.raises(BatchError, match="outside of 0 to"):
        wire_runtime.columns(wrong)


def test_a_wrong_reading_costs_itself_alone() -> None:
    wrong = message(FIGURES, FIGURES)
    wrong.goroutines[1] = -7
    seen = model_pb2.Observation(taken_unix_nano=9, runtime_readings=wrong)
    described = seen.processes.add(exe="/srv/app", level=model_pb2.LEVEL_FULL)
    described.key.boot_id, described.key.pid = "boot", 1
    request = ingest_pb2.StreamObservationsRequest(batch=ingest_pb2.Batch(sequence=1, observation=seen))
    found = decode_batch(STREAM, request)
    assert found.left_out == {"runtime_readings": 1}
    assert found.runtime_readings["goroutines"].tolist() == [7]


def test_waits_until_goroutines_run_are_a_list_in_their_row() -> None:
    assert wire_runtime.columns(message(FIGURES, WAITED))["schedule_durations"].tolist() == [[], list(range(14))]


def test_a_second_reading_of_a_process_is_beyond_its_quota() -> None:
    telemetry = Telemetry()
    twice = batch(1, runtimes=[FIGURES, RuntimeFigures(10, goroutines=8)])
    twice.runtime_readings["process"][:] = 0
    limited = QuotaKeeper(telemetry.running, telemetry).limited(twice)
    assert limited.runtime_readings["goroutines"].tolist() == [7]
    with telemetry.running.reading() as (running, _):
        assert [totals.runtime_figures for totals in running] == [FIGURES]
