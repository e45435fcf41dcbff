"""What agents send is checked to the last row; an element that is wrong is left out, and told with column and row."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gosonde_collector.ingest.columns import MAX_ROWS, MAX_STEPS, MAX_TEXT
from gosonde_collector.ingest.wire import decode_batch, decode_hello, decode_piece
from gosonde_collector.model.errors import BatchError
from gosonde_collector.model.values import Batch, Estimate, ProcessKey, Site
from gosonde_common.values.containers import Container
from gosonde_pb.v1 import ingest_pb2, model_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.collector.batches import STREAM

PROOFS = (
    *("searched_unix_nano", "scans", "examined", "proved", "probable"),
    *("oldest_wait_ns", "retained_stack_bytes", "retained_heap_bytes"),
)
Request = ingest_pb2.StreamObservationsRequest


def request() -> Request:
    """A batch with a row in every table."""
    message = Request()
    message.batch.sequence = 7
    seen = message.batch.observation
    seen.taken_unix_nano = 1_700_000_000_000_000_000
    process = seen.processes.add(exe="/srv/app", build_id="b", level=model_pb2.LEVEL_FULL)
    process.key.MergeFrom(model_pb2.ProcessKey(boot_id="boot", pid=3, start_ticks=4, exec_epoch=5))
    names = seen.site_names
    names.build_id.append("b")
    names.pc.append(2**64 - 1)
    names.function.append("main.f")
    names.file.append("f.go")
    names.line.append(9)
    names.start_function.append("")
    seen.site_counters.process.append(0)
    seen.site_counters.pc.append(2**64 - 1)
    seen.site_counters.created.append(10)
    seen.site_counters.exited.append(2)
    seen.park_counters.process.append(0)
    seen.park_counters.wait_reason.append("select")
    seen.park_counters.parked.append(8)
    seen.pauses.process.append(0)
    seen.pauses.ordinal.append(0)
    seen.pauses.start_unix_nano.append(5)
    seen.pauses.duration_ns.append(6)
    seen.pauses.reason.append("GC")
    seen.gc_cycles.process.append(0)
    seen.gc_cycles.ordinal.append(0)
    seen.gc_cycles.start_unix_nano.append(5)
    seen.gc_cycles.end_unix_nano.append(7)
    seen.gc_totals.process.append(0)
    seen.gc_totals.cycles.append(1)
    seen.gc_totals.pauses.append(2)
    seen.gc_totals.gc_pause_ns.append(3)
    add_proof(seen)
    add_estimates(seen, 2**64 - 1)
    seen.losses["gc_events_lost"] = 1
    return message


def add_proof(seen: model_pb2.Observation) -> None:
    """What a search found of one site of the first process."""
    seen.proofs.process.append(0)
    seen.proofs.pc.append(2**64 - 1)
    for number, name in enumerate(PROOFS):
        getattr(seen.proofs, name).append(number)
    seen.holders.process.append(0)
    seen.holders.pc.append(2**64 - 1)
    seen.holders.path.append(model_pb2.Path(steps=["main.subscribers", "map"]))
    seen.holders.goroutines.append(7)
    seen.searches.process.append(0)
    seen.searches.searched_unix_nano.append(5)
    seen.searches.scans.append(6)
    seen.searches.undecided.append("")


def add_estimates(seen: model_pb2.Observation, *pcs: int) -> None:
    """What was probably at sites of the first process: 40 of 30 to 50 creations, and as many exits."""
    estimates = seen.site_estimates
    for pc in pcs:
        estimates.process.append(0)
        estimates.pc.append(pc)
        for name, number in zip(Estimate._fields, (40, 30, 50, 40, 30, 50, 3, 30_000_000), strict=True):
            getattr(estimates, name).append(number)


def test_a_whole_batch_is_understood() -> None:
    batch = decode_batch(STREAM, request())
    assert (batch.stream, batch.sequence, batch.losses) == (STREAM, 7, {"gc_events_lost": 1})
    assert batch.processes[0].key == ProcessKey("boot", 3, 4, 5)
    assert batch.sites == (Site("b", 2**64 - 1, "main.f", "f.go", 9, ""),)
    assert batch.site_counters["pc"].tolist() == [2**64 - 1]
    assert batch.site_counters["pc"].dtype == np.uint64
    assert batch.site_counters["created"].tolist() == [10]
    assert batch.gc_cycles["heap_goal_bytes"].tolist() == [0]
    assert batch.site_counters["baseline"].tolist() == batch.site_counters["mismatch"].tolist() == [0]
    assert batch.park_counters["parked"].tolist() == [8]
    assert batch.park_counters["parks"].tolist() == batch.park_counters["windows"].tolist() == [0]
    assert batch.pauses["reason"].tolist() == ["GC"]
    assert [batch.proofs[name].tolist() for name in PROOFS] == [[number] for number in range(len(PROOFS))]
    assert batch.holders["path"].tolist() == [["main.subscribers", "map"]]
    assert batch.searches["undecided"].tolist() == [""]
    assert [batch.site_estimates[name].tolist() for name in Estimate._fields[:3]] == [[40], [30], [50]]


def test_an_older_agent_estimates_nothing() -> None:
    message = request()
    message.batch.observation.ClearField("site_estimates")
    batch = decode_batch(STREAM, message)
    assert [len(batch.site_estimates[name]) for name in ("process", "pc", *Estimate._fields)] == [0] * 10
    assert not batch.left_out


def test_estimates_that_are_wrong_cost_themselves_alone_and_are_counted() -> None:
    message = request()
    seen = message.batch.observation
    add_estimates(seen, *range(1, 10))
    estimates = seen.site_estimates
    estimates.created[1] = 29
    estimates.created[2] = 51
    estimates.exited_high[3] = 39
    estimates.process[4] = 1
    estimates.pc[5] = 0
    estimates.sampled_ns[6] = 2**63
    batch = decode_batch(STREAM, message)
    assert batch.site_estimates["pc"].tolist() == [2**64 - 1, 7, 8, 9]
    assert batch.left_out == {"site_estimates": 6}
    assert "site_estimates" in batch.fault


def test_an_empty_batch_is_understood() -> None:
    message = Request(batch=ingest_pb2.Batch(sequence=1, observation=model_pb2.Observation(taken_unix_nano=1)))
    batch = decode_batch(STREAM, message)
    assert all(len(column) == 0 for column in batch.site_counters.values())


def test_a_hello_is_understood() -> None:
    hello = ingest_pb2.Hello(agent_id="agent", agent_epoch="epoch-1", host="web-1", agent_version="0.1.0")
    assert decode_hello(Request(hello=hello)) == replace(STREAM, agent_version="0.1.0")


@pytest.mark.parametrize("missing", ["agent_id", "agent_epoch", "host"])
def test_a_hello_without_a_name_is_refused(missing: str) -> None:
    hello = ingest_pb2.Hello(agent_id="a", agent_epoch="e", host="h")
    setattr(hello, missing, "")
    with pytest.raises(BatchError, match=missing):
        decode_hello(Request(hello=hello))


def test_messages_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(BatchError, match="first request"):
        decode_hello(request())
    with pytest.raises(BatchError, match="after the first"):
        decode_batch(STREAM, Request(hello=ingest_pb2.Hello()))
    with pytest.raises(BatchError, match="after the first"):
        decode_batch(STREAM, Request())


def _change(path: str, value: object) -> Callable[[ingest_pb2.Batch], None]:
    def run(batch: ingest_pb2.Batch) -> None:
        *inner, last = path.split(".")
        target: Any = batch
        for name in inner:
            target = target[int(name)] if name.isdigit() else getattr(target, name)
        if last.isdigit():
            target[int(last)] = value
        else:
            setattr(target, last, value)

    return run


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_change("sequence", 0), "batch.sequence is 0"),
        (_change("observation.taken_unix_nano", 0), "taken_unix_nano is 0"),
        (_change("observation.taken_unix_nano", -5), "taken_unix_nano is -5"),
        (_change("observation.taken_unix_nano", 2**63 - 1), "taken_unix_nano"),
        (lambda batch: batch.observation.site_counters.pc.extend([1] * MAX_ROWS), "a batch may have"),
        (lambda batch: batch.observation.site_estimates.windows.extend([1] * MAX_ROWS), "a batch may have"),
        (lambda batch: batch.observation.losses.update({str(n): n for n in range(257)}), "256 losses"),
    ],
)
def test_a_batch_that_is_wrong_as_a_whole_is_refused(change: Callable[[ingest_pb2.Batch], None], words: str) -> None:
    message = request()
    change(message.batch)
    with pytest.raises(BatchError, match=words):
        decode_batch(STREAM, message)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_change("observation.processes.0.level", 0), r"processes\[0\].level is 0"),
        (_change("observation.processes.0.level", 9), r"processes\[0\].level is 9"),
        (_change("observation.processes.0.key.pid", 0), r"processes\[0\].key.pid"),
        (_change("observation.processes.0.key.start_ticks", 2**64 - 1), "start_ticks"),
        (_change("observation.processes.0.started_unix_nano", -1), "started_unix_nano is -1"),
        (_change("observation.processes.0.exe", "x" * (MAX_TEXT + 1)), "exe is longer"),
        (_change("observation.site_counters.process.0", 1), r"site_counters.process\[0\] is 1, and the batch has 1"),
        (_change("observation.gc_cycles.process.0", 2**32 - 1), r"gc_cycles.process\[0\]"),
        (
            _change("observation.site_counters.created.0", 2**64 - 1),
            r"site_counters.created\[0\] is 18446744073709551615",
        ),
        (_change("observation.site_counters.exited.0", 2**62), r"site_counters.exited\[0\]"),
        (_change("observation.pauses.start_unix_nano.0", -9), r"pauses.start_unix_nano\[0\] is -9"),
        (_change("observation.pauses.reason.0", "x" * (MAX_TEXT + 1)), r"pauses.reason\[0\] is longer"),
        (_change("observation.site_names.function.0", "x" * (MAX_TEXT + 1)), r"site_names.function\[0\] is longer"),
        (lambda batch: batch.observation.site_counters.pc.append(1), "site_counters has columns of different lengths"),
        (lambda batch: batch.observation.site_names.line.append(1), "site_names has columns of different lengths"),
        (lambda batch: batch.observation.park_counters.parked.append(1), "park_counters has columns"),
        (lambda batch: batch.observation.park_counters.parks.extend([1, 2]), "park_counters has columns"),
        (lambda batch: batch.observation.park_counters.parks_high.append(2**63), r"park_counters.parks_high\[0\]"),
        (lambda batch: batch.observation.gc_totals.pauses.append(1), "gc_totals has columns"),
        (lambda batch: batch.observation.proofs.proved.append(1), "proofs has columns"),
        (_change("observation.proofs.proved.0", 2**63), r"proofs.proved\[0\]"),
        (_change("observation.searches.process.0", 1), r"searches.process\[0\] is 1"),
        (
            _change("observation.site_estimates.created.0", 29),
            r"site_estimates.created\[0\] is 29, outside of its bounds 30 to 50",
        ),
        (_change("observation.site_estimates.exited_high.0", 39), r"site_estimates.exited\[0\] is 40, outside"),
        (_change("observation.site_estimates.pc.0", 0), r"site_estimates.pc\[0\] is 0: what is shared"),
        (lambda batch: batch.observation.site_estimates.windows.append(1), "site_estimates has columns of different"),
        (lambda batch: batch.observation.holders.path.add(), "holders has columns"),
        (lambda batch: batch.observation.holders.path[0].steps.extend(["x"] * MAX_STEPS), "34 steps"),
        (
            lambda batch: batch.observation.holders.path[0].steps.append("x" * (MAX_TEXT + 1)),
            r"holders.path\[0\]\[2\] is longer",
        ),
        (lambda batch: batch.observation.gc_cycles.heap_goal_bytes.extend([1, 2]), "gc_cycles has columns"),
        (lambda batch: batch.observation.gc_cycles.heap_after_bytes.append(2**62), r"heap_after_bytes\[0\] is 4611"),
    ],
)
def test_an_element_that_is_wrong_is_left_out_by_its_name_and_the_others_stay(
    change: Callable[[ingest_pb2.Batch], None], words: str
) -> None:
    message, sound = request(), decode_batch(STREAM, request())
    change(message.batch)
    found = decode_batch(STREAM, message)
    assert re.search(words, found.fault)
    sizes, expected = sizes_of(found), sizes_of(sound)
    if "processes" in found.left_out:
        rows = {name for name, size in expected.items() if size and name not in {"site_names", "losses"}}
        assert set(found.left_out) == rows
    else:
        (table,) = found.left_out
        assert sizes.pop(table) < expected.pop(table)
        assert sizes == expected


def sizes_of(batch: Batch) -> dict[str, int]:
    """How many elements each table has."""
    counted = ("site_counters", "park_counters", "pauses", "gc_cycles", "gc_totals", "probe_costs")
    tables = (*counted, "proofs", "holders", "searches", "site_estimates")
    rows = {name: len(getattr(batch, name)["process"]) for name in tables}
    return {**rows, "processes": len(batch.processes), "site_names": len(batch.sites), "losses": len(batch.losses)}


def test_wrong_rows_and_a_wrong_process_cost_themselves_alone() -> None:
    message = request()
    seen = message.batch.observation
    for number in range(1, 5):
        seen.processes.add().CopyFrom(seen.processes[0])
        seen.processes[number].key.pid = 10 * number
    seen.processes[2].level = 9  # type: ignore[assignment]
    counters = seen.site_counters
    for row in range(1, 1_000):
        counters.process.append(row % 5)
        counters.pc.append(row)
        counters.created.append(2**63 if row == 501 else row)
        counters.exited.append(0)
    seen.losses["bad"] = 2**64 - 1
    batch = decode_batch(STREAM, message)
    assert [process.key.pid for process in batch.processes] == [3, 10, 30, 40]
    pids = [batch.processes[place].key.pid for place in batch.site_counters["process"].tolist()]
    of = {3: 0, 10: 1, 30: 3, 40: 4}
    kept = [row for row in range(1_000) if row % 5 != 2 and row != 501]
    assert [row % 5 for row in kept] == [of[pid] for pid in pids]
    assert batch.site_counters["created"].tolist() == [10, *kept[1:]]
    assert batch.losses == {"gc_events_lost": 1}
    assert batch.left_out == {"processes": 1, "site_counters": 201, "losses": 1}


def test_a_batch_of_which_too_much_is_wrong_is_refused() -> None:
    message = request()
    counters = message.batch.observation.site_counters
    for column, value in ((counters.process, 0), (counters.pc, 1), (counters.created, 2**63), (counters.exited, 0)):
        column.extend([value] * 100_000)
    with pytest.raises(BatchError, match="too much"):
        decode_batch(STREAM, message)


@given(st.data())
def test_whatever_protobuf_lets_through_is_understood_or_refused(choice: st.DataObject) -> None:
    data = bytearray(request().SerializeToString())
    for _ in range(choice.draw(st.integers(1, 6))):
        data[choice.draw(st.integers(0, len(data) - 1))] = choice.draw(st.integers(0, 255))
    message = Request()
    with suppress(Exception):
        message.ParseFromString(bytes(data))
    with suppress(BatchError):
        decode_batch(STREAM, message)


# --- answers to requests for proofs ----------------------------------------------------------------------------------


def piece(**changes: Any) -> Request:
    counts = {"searched_unix_nano": 7, "scans": 5, "examined": 30, "proved": 20, "probable": 10} | changes
    return Request(snapshot_piece=ingest_pb2.SnapshotPiece(id=3, outcome=model_pb2.SearchOutcome(**counts)))


def test_what_a_search_found_is_read() -> None:
    found = decode_piece(piece())
    assert found is not None
    assert found.outcome is not None
    assert (found.id, found.outcome.proved, found.outcome.held) == (3, 20, 0)


@pytest.mark.parametrize(
    "changes",
    [{"proved": 21}, {"scans": 2**63}, {"searched_unix_nano": -1}, {"undecided": "x" * (MAX_TEXT + 1)}],
    ids=["more-than-examined", "too-many", "before-1970", "too-long"],
)
def test_an_outcome_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BatchError, match="outcome"):
        decode_piece(piece(**changes))


def test_a_process_keeps_its_container_and_one_with_a_wrong_name_is_left_out() -> None:
    message = request()
    (process,) = message.batch.observation.processes
    process.container.MergeFrom(model_pb2.Container(id="a" * 64, namespace="shop", pod="web-0", name="server"))
    assert decode_batch(STREAM, message).processes[0].container == Container("a" * 64, "", "shop", "web-0", "server")
    process.container.pod = "web\x1b[2J"
    found = decode_batch(STREAM, message)
    assert (found.processes, found.left_out["processes"]) == ((), 1)
    assert found.fault == r"processes[0].container.pod is 'web\x1b[2J'"
