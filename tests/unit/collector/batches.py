"""Batches as agents send them, for one process unless stated otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from gosonde_collector.ingest import wire_runtime
from gosonde_collector.model.values import (
    Batch,
    Columns,
    Estimate,
    Process,
    ProcessKey,
    Site,
    Stream,
)
from gosonde_collector.store.rows import objects
from gosonde_common.values.audit import Act, Actor, AuditEvent
from gosonde_common.values.runtime import RuntimeFigures
from gosonde_common.wire.runtime import encode_runtimes
from gosonde_pb.v1 import model_pb2

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
STREAM = Stream("agent", "epoch-1", "web-1", "0.1.0")
KEY = ProcessKey("boot", 4711, 99, 0)
SITE = Site("build", 0x1000, "main.serve", "main.go", 42, "main.serve.func1")

HEAP = ("heap_before_bytes", "heap_after_bytes", "heap_marked_bytes", "heap_goal_bytes")
RETAINED = ("oldest_wait_ns", "retained_stack_bytes", "retained_heap_bytes")
TEXTS = {"wait_reason", "reason", "path", "undecided"}


def act(ordinal: int, **changes: Any) -> AuditEvent:
    """Somebody has switched the probes of the process off."""
    who = "uid 1000 pid 4712"
    event = AuditEvent(ordinal, START + ordinal, Act.PROBES_OFF, Actor.LOCAL, who, KEY.pid, "/srv/app")
    return replace(event, **changes)


def process(key: ProcessKey = KEY, **changes: Any) -> Process:
    """A running, probed process that is counted from its start."""
    values = {
        "exe": "/srv/app",
        "go_version": "go1.24.11",
        "build_id": "build",
        "started_unix_nano": START,
        "counted_since_unix_nano": START,
        "counted_from_start": True,
        "ended_unix_nano": 0,
        "level": "full",
        "refusal": "",
    }
    return Process(key, **{**values, **changes})


PARKS = ("parked", "parks", "parks_low", "parks_high", "windows", "sampled_ns", "covered_ns")


def columns(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Columns:
    """Rows as columns."""
    values = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return {
        name: objects(column) if name in TEXTS else np.array(column, np.uint64 if name == "pc" else np.int64)
        for name, column in zip(names, values, strict=True)
    }


def timer_columns(taken: int, timers: Sequence[tuple[int, str, int]]) -> Columns:
    """Readings of one group each."""
    count = len(timers)
    pending, zeros = np.array([row[2] for row in timers], np.int64), np.zeros(count, np.int64)
    group = {"callback": [row[1] for row in timers], "waits_in": [""] * count, "kind": ["func"] * count}
    numbers = {"pending": pending.tolist(), "next_in_ns": [5] * count, "period_ns": [0] * count}
    lists = {**group, **numbers, "retained_heap_bytes": [64] * count, "lasting": pending.tolist()}
    return {
        "process": np.array([row[0] for row in timers], np.int64),
        "read_unix_nano": np.full(count, taken, np.int64),
        "pending": pending,
        **dict.fromkeys(("others", "other_groups", "changing", "unproved"), zeros),
        "stands_for_thousandths": np.full(count, 1_000, np.int64),
        **dict.fromkeys(("unread", "heap_unread"), objects([""] * count)),
        **{f"group_{name}": objects([[value] for value in values]) for name, values in lists.items()},
    }


def runtime_columns(rows: Sequence[RuntimeFigures]) -> Columns:
    """Readings of one process each, in order."""
    message = model_pb2.RuntimeReadings()
    encode_runtimes(message, rows, range(len(rows)))
    return wire_runtime.columns(message)


def batch(
    sequence: int,
    *,
    counters: Sequence[tuple[int, int, int, int]] = (),
    baseline: int = 0,
    mismatch: int = 0,
    stream: Stream = STREAM,
    processes: Sequence[Process] | None = None,
    sites: Sequence[Site] = (SITE,),
    parks: Sequence[tuple[int, str, int, int, int, int, int, int, int]] = (),
    pauses: Sequence[tuple[int, int, int, int, str]] = (),
    cycles: Sequence[tuple[int, int, int, int]] = (),
    heaps: Sequence[tuple[int, int, int, int, int]] = (),
    totals: Sequence[tuple[int, int, int, int]] = (),
    costs: Sequence[tuple[int, int, int, int, int]] = (),
    proofs: Sequence[tuple[int, int, int, int, int, int]] = (),
    holders: Sequence[tuple[int, int, Sequence[str], int]] = (),
    searches: Sequence[tuple[int, str]] = (),
    estimates: Sequence[tuple[int, ...]] = (),
    timers: Sequence[tuple[int, str, int]] = (),
    runtimes: Sequence[RuntimeFigures] = (),
    losses: Mapping[str, int] | None = None,
    audit: Sequence[AuditEvent] = (),
    taken_unix_nano: int = 0,
) -> Batch:
    """A batch `sequence` seconds after START.

    `counters`: (process, pc, created, exited), with `baseline` and `mismatch` each. `heaps` are those of `cycles`.
    `proofs`: (process, pc, scans, examined, proved, probable); `holders`: (process, pc, path, goroutines); `searches`:
    (process, undecided), all searched at the time of the batch. `estimates`: (process, pc, created, low, high, exited,
    low, high), of 3 windows each. `timers`: (process, callback, pending) of one reading each, of kind func.
    `runtimes` is of the first process, and of the next ones.
    """
    taken = taken_unix_nano or START + sequence * SECOND
    return Batch(
        stream,
        sequence,
        taken,
        tuple(processes if processes is not None else [process()]),
        tuple(sites),
        columns(
            ("process", "pc", "created", "exited", "baseline", "mismatch"),
            [(*row, baseline, mismatch) for row in counters],
        ),
        columns(("process", "wait_reason", *PARKS), parks),
        columns(("process", "ordinal", "start_unix_nano", "duration_ns", "reason"), pauses),
        columns(
            ("process", "ordinal", "start_unix_nano", "end_unix_nano", *HEAP, "number"),
            [(*cycle, *heap) for cycle, heap in zip(cycles, heaps or [(0, 0, 0, 0, 0)] * len(cycles), strict=True)],
        ),
        columns(("process", "cycles", "pauses", "gc_pause_ns"), totals),
        columns(("process", "probe_ns", "cpu_ns", "target_ppm", "core_ppm"), costs),
        columns(
            ("process", "pc", "scans", "examined", "proved", "probable", "searched_unix_nano", *RETAINED),
            [(*row, taken, 7 * SECOND, 2_048, 512) for row in proofs],
        ),
        columns(("process", "pc", "path", "goroutines"), [(*row[:2], list(row[2]), row[3]) for row in holders]),
        columns(("process", "undecided", "searched_unix_nano", "scans"), [(*row, taken, 5) for row in searches]),
        columns(("process", "pc", *Estimate._fields), [(*row, 3, 30_000_000) for row in estimates]),
        timer_columns(taken, timers),
        runtime_columns(runtimes),
        losses or {},
        audit=tuple(audit),
    )
