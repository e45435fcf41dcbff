"""An agent's messages as values: what its `wire` wrote, read by someone else. Every column is checked."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message
from gosonde_pb.v1 import agent_pb2, model_pb2

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.levels import Level, Reason, Step
from gosonde_common.values.observation import (
    GcCycle,
    GcTotal,
    Heap,
    Observation,
    ParkCount,
    Pause,
    ProbeCost,
    Process,
    ProcessKey,
    ProofCount,
    Search,
    Site,
    SiteCount,
    SiteEstimate,
)
from gosonde_common.values.reachability import Holder
from gosonde_common.values.status import AgentStatus, UplinkStatus
from gosonde_common.wire import runtime, timers
from gosonde_common.wire.audit import decode_audit
from gosonde_common.wire.containers import decode_container

LEVELS = {
    Level.FULL: model_pb2.LEVEL_FULL,
    Level.CREATION: model_pb2.LEVEL_CREATION,
    Level.SAMPLED: model_pb2.LEVEL_SAMPLED,
    Level.MEMORY: model_pb2.LEVEL_MEMORY,
    Level.OFF: model_pb2.LEVEL_OFF,
}
REASONS = {
    Reason.BUDGET: model_pb2.STEP_REASON_BUDGET,
    Reason.RECOVERED: model_pb2.STEP_REASON_RECOVERED,
    Reason.OPERATOR: model_pb2.STEP_REASON_OPERATOR,
    Reason.NO_PROBES: model_pb2.STEP_REASON_NO_PROBES,
}

PARK_COUNTS = ("parked", "parks", "parks_low", "parks_high", "windows", "sampled_ns", "covered_ns")

SITE_COUNTS = ("pc", "created", "exited", "baseline", "mismatch")
SITE_ESTIMATES = (
    *("created", "created_low", "created_high", "exited", "exited_low", "exited_high"),
    *("windows", "sampled_ns"),
)
KNOWN_LEVELS = {number: level for level, number in LEVELS.items()}
KNOWN_REASONS = {number: reason for reason, number in REASONS.items()}
GC_CYCLES = (
    *("ordinal", "start_unix_nano", "end_unix_nano"),
    *("heap_before_bytes", "heap_after_bytes", "heap_marked_bytes", "heap_goal_bytes", "number"),
)
PROBE_COSTS = ("probe_ns", "cpu_ns", "target_ppm", "core_ppm")
PROOFS = (
    *("pc", "searched_unix_nano", "scans", "examined", "proved", "probable"),
    *("oldest_wait_ns", "retained_stack_bytes", "retained_heap_bytes"),
)
SEARCHES = ("searched_unix_nano", "scans", "undecided")


def decode(message: model_pb2.Observation) -> Observation:
    """The observation that a message holds. A site that it does not name has empty texts and line 0.

    Raises:
        InvalidInputError: Columns of one table differ in length, or a row names a process that is not there.
    """
    processes = tuple(_process(process) for process in message.processes)
    keys = [process.key for process in processes]
    return Observation(
        taken_unix_nano=message.taken_unix_nano,
        processes=processes,
        site_counts=tuple(_site_counts(message, processes)),
        park_counts=tuple(_park_counts(message.park_counters, keys)),
        pauses=tuple(
            Pause(*row) for row in _rows(message.pauses, keys, ("ordinal", "start_unix_nano", "duration_ns", "reason"))
        ),
        gc_cycles=tuple(_cycles(message.gc_cycles, keys)),
        gc_totals=tuple(GcTotal(*row) for row in _rows(message.gc_totals, keys, ("cycles", "pauses", "gc_pause_ns"))),
        losses=dict(message.losses),
        probe_costs=tuple(ProbeCost(*row) for row in _rows(message.probe_costs, keys, PROBE_COSTS)),
        interval_ns=message.interval_ns,
        proofs=tuple(_proofs(message, keys)),
        searches=tuple(Search(*row) for row in _rows(message.searches, keys, SEARCHES)),
        estimates=tuple(_estimates(message, processes)),
        timers=tuple(timers.reading(key, row) for key, *row in _rows(message.timer_readings, keys, timers.READINGS)),
        audit=tuple(decode_audit(message.audit_events)),
        runtimes=tuple(
            runtime.reading(key, row) for key, *row in _rows(message.runtime_readings, keys, runtime.READINGS)
        ),
    )


def decode_status(message: agent_pb2.GetStatusResponse) -> AgentStatus:
    """The status that a message holds."""
    uplink = UplinkStatus(
        collector=message.collector,
        connected=message.collector_connected,
        last_sequence=message.last_sequence,
        acknowledged_sequence=message.acknowledged_sequence,
        error=message.collector_error,
    )
    who = message.agent_id, message.agent_version, message.host, message.started_unix_nano
    return AgentStatus(*who, uplink, message.no_probes_because)


def _process(message: model_pb2.Process) -> Process:
    key = message.key
    return Process(
        key=ProcessKey(key.boot_id, key.pid, key.start_ticks, key.exec_epoch),
        exe=message.exe,
        go_version=message.go_version,
        build_id=message.build_id,
        started_unix_nano=message.started_unix_nano,
        counted_since_unix_nano=message.counted_since_unix_nano,
        counted_from_start=message.counted_from_start,
        ended_unix_nano=message.ended_unix_nano,
        refusal=message.refusal,
        level=KNOWN_LEVELS.get(message.level, Level.FULL),
        precise=not message.imprecise,
        steps=tuple(_step(step) for step in message.steps),
        sums=message.sums,
        container=decode_container(message.container),
    )


def _step(message: model_pb2.Step) -> Step:
    if message.level not in KNOWN_LEVELS or message.reason not in KNOWN_REASONS:
        raise InvalidInputError(f"Process.steps: level {message.level} or reason {message.reason} is not known")
    return Step(message.at_unix_nano, KNOWN_LEVELS[message.level], KNOWN_REASONS[message.reason], message.target_ppm)


def decode_switched(message: agent_pb2.SwitchProbesResponse) -> tuple[Process, ...]:
    """The processes that SwitchProbes answered with."""
    return tuple(_process(process) for process in message.processes)


def _site_counts(message: model_pb2.Observation, processes: Sequence[Process]) -> Iterator[SiteCount]:
    sites = _sites(message)
    # What an older agent left in its spool has no baselines.
    columns = SITE_COUNTS if len(message.site_counters.baseline) else SITE_COUNTS[:3]
    for process, pc, *counts in _rows(message.site_counters, processes, columns):
        yield SiteCount(process.key, _site(sites, process, pc), *counts)


def _estimates(message: model_pb2.Observation, processes: Sequence[Process]) -> Iterator[SiteEstimate]:
    sites = _sites(message)
    for process, pc, *numbers in _rows(message.site_estimates, processes, ("pc", *SITE_ESTIMATES)):
        yield SiteEstimate(process.key, _site(sites, process, pc), *numbers)


def _sites(message: model_pb2.Observation) -> dict[tuple[str, int], Site]:
    """The sites that a message names, by build id and pc."""
    names = _columns(message.site_names, ("build_id", "pc", "function", "file", "line", "start_function"))
    return {(row[0], row[1]): Site(*row) for row in zip(*names, strict=True)}


def _site(sites: dict[tuple[str, int], Site], process: Process, pc: int) -> Site:
    return sites.get((process.build_id, pc)) or Site(process.build_id, pc, "", "", 0)


def _park_counts(message: model_pb2.ParkCounters, keys: Sequence[ProcessKey]) -> Iterator[ParkCount]:
    # What an older agent left in its spool is no estimate.
    if len(message.parks) or not len(message.process):
        for row in _rows(message, keys, ("wait_reason", *PARK_COUNTS)):
            key, reason, parked, parks, low, high, *base = row
            yield ParkCount(key, reason, parked, parks, low, high or None, *base)


def _cycles(message: model_pb2.GcCycles, keys: Sequence[ProcessKey]) -> Iterator[GcCycle]:
    # What an older agent left in its spool has no heaps, or no numbers.
    columns = GC_CYCLES[: 8 if len(message.number) else 7 if len(message.heap_goal_bytes) else 3]
    for key, ordinal, start, end, *read in _rows(message, keys, columns):
        heap = Heap(*read[:4]) if any(read[:4]) else None
        yield GcCycle(key, ordinal, start, end, heap, read[4] if len(read) > 4 else 0)


def _proofs(message: model_pb2.Observation, keys: Sequence[ProcessKey]) -> Iterator[ProofCount]:
    held_by: dict[tuple[ProcessKey, int], list[Holder]] = {}
    for key, pc, path, goroutines in _rows(message.holders, keys, ("pc", "path", "goroutines")):
        held_by.setdefault((key, pc), []).append(Holder(tuple(path.steps), goroutines))
    for row in _rows(message.proofs, keys, PROOFS):
        yield replace(ProofCount(*row), held_by=tuple(held_by.get(row[:2], ())))


def _rows(table: Message, processes: Sequence[Any], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of a table whose first column is an index into `processes`; the index becomes what it points to."""
    positions, *columns = _columns(table, ("process", *names))
    if positions and max(positions) >= len(processes):
        raise InvalidInputError(f"{table.DESCRIPTOR.name}: process {max(positions)} of {len(processes)} does not exist")
    return zip((processes[position] for position in positions), *columns, strict=True)


def _columns(table: Message, names: Sequence[str]) -> list[Sequence[Any]]:
    columns = [getattr(table, name) for name in names]
    lengths = {name: len(column) for name, column in zip(names, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        raise InvalidInputError(f"{table.DESCRIPTOR.name}: columns of different length: {lengths}")
    return columns
