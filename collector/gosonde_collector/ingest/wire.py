"""What agents send into plain values, every field checked. Only this and `sieve` read messages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.containers import Container
from gosonde_common.values.observation import NAMELESS_PC
from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.wire import outcomes
from gosonde_common.wire.containers import decode_container
from gosonde_pb.v1 import ingest_pb2, model_pb2
from numpy.typing import NDArray

from gosonde_collector.ingest import wire_audit, wire_runtime, wire_timers
from gosonde_collector.ingest.columns import (
    MAX_VALUE,
    bound,
    equal_lengths,
    numbers,
    paths,
    strings,
    text,
)
from gosonde_collector.ingest.sieve import Sieve, TableCheck
from gosonde_collector.model.errors import BatchError
from gosonde_collector.model.values import (
    NO_PROBES,
    Batch,
    Columns,
    Estimate,
    Process,
    ProcessKey,
    Site,
    SnapshotKind,
    SnapshotPiece,
    SnapshotRequest,
    Step,
    Stream,
)

MAX_PROCESSES = 10_000
#: Counters of losses, and characters of a name; agents have some dozens.
MAX_LOSSES = 256
MAX_LOSS_NAME = 256
MAX_STEPS = 64
LEVELS = {
    model_pb2.LEVEL_FULL: "full",
    model_pb2.LEVEL_REFUSED: "refused",
    model_pb2.LEVEL_CREATION: "creation",
    model_pb2.LEVEL_SAMPLED: "sampled",
    model_pb2.LEVEL_MEMORY: "memory",
    model_pb2.LEVEL_OFF: "off",
}
REASONS = {
    model_pb2.STEP_REASON_BUDGET: "budget",
    model_pb2.STEP_REASON_RECOVERED: "recovered",
    model_pb2.STEP_REASON_OPERATOR: "operator",
    model_pb2.STEP_REASON_NO_PROBES: NO_PROBES,
}
PREVIOUS_ENDS = {
    ingest_pb2.PREVIOUS_END_NONE: "none",
    ingest_pb2.PREVIOUS_END_STOPPED: "stopped",
    ingest_pb2.PREVIOUS_END_KILLED: "killed",
    ingest_pb2.PREVIOUS_END_REBOOTED: "rebooted",
}
KINDS = {
    SnapshotKind.MEMORY: model_pb2.SNAPSHOT_KIND_MEMORY,
    SnapshotKind.PPROF: model_pb2.SNAPSHOT_KIND_PPROF,
    SnapshotKind.PPROF_LEAK: model_pb2.SNAPSHOT_KIND_PPROF_LEAK,
    SnapshotKind.PPROF_HEAP: model_pb2.SNAPSHOT_KIND_PPROF_HEAP,
    SnapshotKind.PROOF: model_pb2.SNAPSHOT_KIND_PROOF,
}

HEAP = ("heap_before_bytes", "heap_after_bytes", "heap_marked_bytes", "heap_goal_bytes")
PROBE_COSTS = ("probe_ns", "cpu_ns", "target_ppm", "core_ppm")
PROOFS = (
    *("pc", "searched_unix_nano", "scans", "examined", "proved", "probable"),
    *("oldest_wait_ns", "retained_stack_bytes", "retained_heap_bytes"),
)
PARK_ESTIMATES = ("parks", "parks_low", "parks_high", "windows", "sampled_ns", "covered_ns")

Columnar = (
    model_pb2.SiteCounters
    | model_pb2.ParkCounters
    | model_pb2.Pauses
    | model_pb2.GcCycles
    | model_pb2.GcTotals
    | model_pb2.ProbeCosts
    | model_pb2.Proofs
    | model_pb2.Holders
    | model_pb2.Searches
    | model_pb2.SiteEstimates
)


def decode_hello(request: ingest_pb2.StreamObservationsRequest) -> Stream:
    """The stream that a first request opens.

    Raises:
        BatchError: It is no hello, or one without agent_id, agent_epoch or host.
    """
    if request.WhichOneof("message") != "hello":
        raise BatchError("the first request of a stream must be a hello")
    hello = request.hello
    for name in ("agent_id", "agent_epoch", "host"):
        if not getattr(hello, name):
            raise BatchError(f"hello.{name} is empty")
    return Stream(
        text("hello.agent_id", hello.agent_id),
        text("hello.agent_epoch", hello.agent_epoch),
        text("hello.host", hello.host),
        text("hello.agent_version", hello.agent_version),
        _number("hello.agent_run", hello.agent_run),
        PREVIOUS_ENDS.get(hello.previous_end, "unspecified"),
    )


def decode_kinds(request: ingest_pb2.StreamObservationsRequest) -> frozenset[SnapshotKind]:
    """The kinds of snapshots that a hello offers, those that are not known here left out."""
    return frozenset(kind for kind, number in KINDS.items() if number in request.hello.snapshot_kinds)


def decode_piece(request: ingest_pb2.StreamObservationsRequest) -> SnapshotPiece | None:
    """The piece of a snapshot in a later request; None when it is no such thing.

    Raises:
        BatchError: Its reason is too long, or a number out of range.
    """
    if request.WhichOneof("message") != "snapshot_piece":
        return None
    piece = request.snapshot_piece
    outcome = _outcome(piece.outcome) if piece.HasField("outcome") else None
    return SnapshotPiece(piece.id, piece.chunk, piece.last, text("snapshot_piece.failure", piece.failure), outcome)


def _outcome(message: model_pb2.SearchOutcome) -> SearchOutcome:
    for name in ("searched_unix_nano", "scans", "examined", "proved", "probable"):
        _number(f"snapshot_piece.outcome.{name}", getattr(message, name))
    if message.proved + message.probable > message.examined:
        raise BatchError("snapshot_piece.outcome has more goroutines proved and probable than examined")
    text("snapshot_piece.outcome.undecided", message.undecided)
    return outcomes.decode(message)


def acknowledgement(sequence: int, request: SnapshotRequest | None = None) -> ingest_pb2.StreamObservationsResponse:
    """A response, with the snapshot that is asked for by the way."""
    response = ingest_pb2.StreamObservationsResponse(acknowledged_sequence=sequence)
    if request:
        key = request.process
        response.snapshot_request.id = request.id
        response.snapshot_request.kind = KINDS[request.kind]
        response.snapshot_request.process.CopyFrom(
            model_pb2.ProcessKey(
                boot_id=key.boot_id, pid=key.pid, start_ticks=key.start_ticks, exec_epoch=key.exec_epoch
            )
        )
    return response


def decode_batch(stream: Stream, request: ingest_pb2.StreamObservationsRequest) -> Batch:
    """The batch in a later request. An element that is wrong is left out, counted, and named in `fault`.

    Raises:
        BatchError: It is no batch, its number or time is out of range, or it is too large, or wrong in too much.
    """
    if request.WhichOneof("message") != "batch":
        raise BatchError("every request of a stream after the first must be a batch")
    sequence = request.batch.sequence
    seen = request.batch.observation
    if not 1 <= sequence <= MAX_VALUE:
        raise BatchError(f"batch.sequence is {sequence}; sequences begin at 1")
    if not 1 <= seen.taken_unix_nano <= MAX_VALUE:
        raise BatchError(f"batch {sequence}: taken_unix_nano is {seen.taken_unix_nano}")
    if len(seen.processes) > MAX_PROCESSES or len(seen.losses) > MAX_LOSSES:
        raise BatchError(f"batch {sequence} has more than {MAX_PROCESSES} processes or {MAX_LOSSES} losses")
    tables = _tables(len(seen.processes))
    _bound_rows(seen, tables)
    try:
        return _batch(stream, sequence, seen)
    except BatchError as error:
        sieve = Sieve(_process, tables, _loss)
        batch = _batch(stream, sequence, sieve.sifted(seen))
        return replace(batch, left_out=dict(sieve.left_out), fault=str(error))


def _bound_rows(seen: model_pb2.Observation, tables: Iterable[str]) -> None:
    for name in tables:
        for column, values in getattr(seen, name).ListFields():
            bound(f"{name}.{column.name}", len(values))


def _batch(stream: Stream, sequence: int, seen: model_pb2.Observation) -> Batch:
    """The batch, each of its elements checked. Raises BatchError, which says which column and row is wrong."""
    count = len(seen.processes)
    return Batch(
        stream,
        sequence,
        seen.taken_unix_nano,
        tuple(_process(number, process) for number, process in enumerate(seen.processes)),
        _sites(seen.site_names),
        _site_counters(seen.site_counters, count),
        _park_counters(seen.park_counters, count),
        _pauses(seen.pauses, count),
        _gc_cycles(seen.gc_cycles, count),
        _gc_totals(seen.gc_totals, count),
        _probe_costs(seen.probe_costs, count),
        _proofs(seen.proofs, count),
        _holders(seen.holders, count),
        _searches(seen.searches, count),
        _site_estimates(seen.site_estimates, count),
        _timer_readings(seen.timer_readings, count),
        _runtime_readings(seen.runtime_readings, count),
        dict(_loss(name, total) for name, total in seen.losses.items()),
        _number("interval_ns", seen.interval_ns),
        audit=wire_audit.audit_events(seen.audit_events),
    )


def _loss(name: str, total: int) -> tuple[str, int]:
    if len(name) > MAX_LOSS_NAME:
        raise BatchError(f"losses has a name longer than {MAX_LOSS_NAME} characters")
    return name, _number(f"losses[{name!r}]", total)


def _process(number: int, process: model_pb2.Process) -> Process:
    where = f"processes[{number}]"
    if process.level not in LEVELS:
        raise BatchError(f"{where}.level is {process.level}")
    if not process.key.pid:
        raise BatchError(f"{where}.key.pid is 0")
    return Process(
        ProcessKey(
            text(f"{where}.key.boot_id", process.key.boot_id),
            process.key.pid,
            _number(f"{where}.key.start_ticks", process.key.start_ticks),
            process.key.exec_epoch,
        ),
        text(f"{where}.exe", process.exe),
        text(f"{where}.go_version", process.go_version),
        text(f"{where}.build_id", process.build_id),
        _number(f"{where}.started_unix_nano", process.started_unix_nano),
        _number(f"{where}.counted_since_unix_nano", process.counted_since_unix_nano),
        process.counted_from_start,
        _number(f"{where}.ended_unix_nano", process.ended_unix_nano),
        LEVELS[process.level],
        text(f"{where}.refusal", process.refusal),
        not process.imprecise,
        _steps(where, process.steps),
        _number(f"{where}.sums", process.sums),
        _container(where, process.container),
    )


def _container(where: str, message: model_pb2.Container) -> Container:
    try:
        return decode_container(message)
    except InvalidInputError as error:
        raise BatchError(f"{where}.{error}") from error


def _steps(where: str, steps: Sequence[model_pb2.Step]) -> tuple[Step, ...]:
    if len(steps) > MAX_STEPS:
        raise BatchError(f"{where} has more than {MAX_STEPS} steps")
    if any(step.level not in LEVELS or step.reason not in REASONS for step in steps):
        raise BatchError(f"{where}.steps has a level or a reason that is not known")
    return tuple(
        Step(
            _number(f"{where}.steps.at_unix_nano", step.at_unix_nano),
            LEVELS[step.level],
            REASONS[step.reason],
            _number(f"{where}.steps.target_ppm", step.target_ppm),
        )
        for step in steps
    )


def _number(where: str, value: int) -> int:
    if not 0 <= value <= MAX_VALUE:
        raise BatchError(f"{where} is {value}, outside of 0 to {MAX_VALUE}")
    return value


def _sites(names: model_pb2.SiteNames) -> tuple[Site, ...]:
    columns = (names.build_id, names.pc, names.function, names.file, names.line, names.start_function)
    equal_lengths("site_names", [len(column) for column in columns])
    for name in ("build_id", "function", "file", "start_function"):
        strings(f"site_names.{name}", getattr(names, name))
    return tuple(map(Site, *columns))


def _site_counters(message: model_pb2.SiteCounters, processes: int) -> Columns:
    """The counters; agents that read no memory send no baselines and no mismatches."""
    found = _columns("site_counters", message, processes, ("pc", "created", "exited"))
    return _with_optional("site_counters", message, found, {"baseline": False, "mismatch": True})


def _gc_cycles(message: model_pb2.GcCycles, processes: int) -> Columns:
    """The cycles; agents that read no memory send no heaps and no numbers."""
    found = _columns("gc_cycles", message, processes, ("ordinal", "start_unix_nano", "end_unix_nano"))
    return _with_optional("gc_cycles", message, found, dict.fromkeys((*HEAP, "number"), False))


def _pauses(message: model_pb2.Pauses, processes: int) -> Columns:
    return _columns("pauses", message, processes, ("ordinal", "start_unix_nano", "duration_ns"), ("reason",))


def _gc_totals(message: model_pb2.GcTotals, processes: int) -> Columns:
    return _columns("gc_totals", message, processes, ("cycles", "pauses", "gc_pause_ns"))


def _probe_costs(message: model_pb2.ProbeCosts, processes: int) -> Columns:
    return _columns("probe_costs", message, processes, PROBE_COSTS)


def _proofs(message: model_pb2.Proofs, processes: int) -> Columns:
    """What searches found of sites; agents that do not search send none, and so in the two below."""
    return _columns("proofs", message, processes, PROOFS)


def _holders(message: model_pb2.Holders, processes: int) -> Columns:
    found = dict(_columns("holders", message, processes, ("pc", "goroutines")))
    found["path"] = paths("holders.path", message.path)
    equal_lengths("holders", [len(column) for column in found.values()])
    return found


def _searches(message: model_pb2.Searches, processes: int) -> Columns:
    return _columns("searches", message, processes, ("searched_unix_nano", "scans"), ("undecided",))


def _site_estimates(message: model_pb2.SiteEstimates, processes: int) -> Columns:
    """The estimates, each between its bounds; agents that sample nothing send none."""
    found = _columns("site_estimates", message, processes, ("pc", *Estimate._fields))
    nameless = np.flatnonzero(found["pc"] == NAMELESS_PC)
    if nameless.size:
        raise BatchError(f"site_estimates.pc[{nameless[0]}] is {NAMELESS_PC}: what is shared, and no statement")
    for name in ("created", "exited"):
        middle, low, high = (found[f"{name}{end}"].astype(np.int64) for end in ("", "_low", "_high"))
        wrong = np.flatnonzero((low > middle) | (middle > high))
        if wrong.size:
            row = wrong[0]
            raise BatchError(
                f"site_estimates.{name}[{row}] is {middle[row]}, outside of its bounds {low[row]} to {high[row]}"
            )
    return found


def _timer_readings(message: model_pb2.TimerReadings, processes: int) -> Columns:
    """The readings; agents that read no timers send none."""
    found = wire_timers.columns(message)
    _check_places("timer_readings", found, processes)
    return found


def _runtime_readings(message: model_pb2.RuntimeReadings, processes: int) -> Columns:
    """The readings; older agents send none."""
    found = wire_runtime.columns(message)
    _check_places("runtime_readings", found, processes)
    return found


def _with_optional(where: str, message: Columnar, columns: Columns, signed_by_name: Mapping[str, bool]) -> Columns:
    """With columns of numbers that older agents leave empty: zeros, then."""
    found = dict(columns)
    for name, signed in signed_by_name.items():
        values = getattr(message, name) or [0] * len(found["process"])
        found[name] = numbers(f"{where}.{name}", values, signed=signed)
    equal_lengths(where, [len(column) for column in found.values()])
    return found


def _park_counters(message: model_pb2.ParkCounters, processes: int) -> Columns:
    """The counters; older agents send no estimates."""
    found = dict(_columns("park_counters", message, processes, ("parked",), ("wait_reason",)))
    for name in PARK_ESTIMATES:
        found[name] = numbers(f"park_counters.{name}", getattr(message, name) or [0] * len(message.parked))
    equal_lengths("park_counters", [len(column) for column in found.values()])
    return found


def _columns(
    where: str, message: Columnar, processes: int, number_columns: Sequence[str], text_columns: Sequence[str] = ()
) -> Columns:
    columns: dict[str, NDArray[np.generic]] = {"process": numbers(f"{where}.process", message.process)}
    for name in number_columns:
        columns[name] = numbers(f"{where}.{name}", getattr(message, name), address=name == "pc")
    for name in text_columns:
        columns[name] = strings(f"{where}.{name}", getattr(message, name))
    equal_lengths(where, [len(column) for column in columns.values()])
    _check_places(where, columns, processes)
    return columns


def _check_places(where: str, columns: Columns, processes: int) -> None:
    wrong = np.flatnonzero(columns["process"] >= np.int64(processes))
    if wrong.size:
        raise BatchError(
            f"{where}.process[{wrong[0]}] is {columns['process'][wrong[0]]}, and the batch has {processes} processes"
        )


def _tables(processes: int) -> dict[str, TableCheck]:
    """The check of each table, by its name in an observation."""
    return {
        "site_names": _sites,
        "site_counters": partial(_site_counters, processes=processes),
        "park_counters": partial(_park_counters, processes=processes),
        "pauses": partial(_pauses, processes=processes),
        "gc_cycles": partial(_gc_cycles, processes=processes),
        "gc_totals": partial(_gc_totals, processes=processes),
        "probe_costs": partial(_probe_costs, processes=processes),
        "proofs": partial(_proofs, processes=processes),
        "holders": partial(_holders, processes=processes),
        "searches": partial(_searches, processes=processes),
        "site_estimates": partial(_site_estimates, processes=processes),
        "timer_readings": partial(_timer_readings, processes=processes),
        "runtime_readings": partial(_runtime_readings, processes=processes),
        "audit_events": wire_audit.audit_events,
    }
