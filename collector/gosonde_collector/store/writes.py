"""What a group of batches adds to each table."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, TypeVar

import duckdb
import numpy as np
from gosonde_common.values.audit import AuditEvent
from numpy.typing import NDArray

from gosonde_collector.model.values import (
    Batch,
    Columns,
    Process,
    Site,
    Stream,
)
from gosonde_collector.store.identity import process_number
from gosonde_collector.store.rows import objects

Run = tuple[str, str, str]
Key = TypeVar("Key")
Value = TypeVar("Value")

#: Things of one kind that are known at a time.
MAX_KNOWN = 500_000

BATCH_COLUMNS = (
    "agent_id",
    "agent_epoch",
    "host",
    "agent_version",
    "agent_run",
    "previous_end",
    "sequence",
    "taken_unix_nano",
    "stored_unix_nano",
    "interval_ns",
)
PROCESS_COLUMNS = (
    "process",
    "agent_id",
    "agent_epoch",
    "sequence",
    "stored_unix_nano",
    "host",
    "boot_id",
    "pid",
    "start_ticks",
    "exec_epoch",
    "exe",
    "go_version",
    "build_id",
    "started_unix_nano",
    "counted_since_unix_nano",
    "counted_from_start",
    "ended_unix_nano",
    "level",
    "refusal",
    "precise",
    "sums",
    "step_unix_nano",
    "step_level",
    "step_reason",
    "step_ppm",
    *("container_id", "pod_uid", "namespace", "pod", "container", "workload"),
)
#: Tables whose rows are stored as they come.
TABLES = (
    *("site_counters", "park_counters", "pauses", "gc_cycles", "gc_totals", "probe_costs"),
    *("proofs", "holders", "searches", "site_estimates", "timer_readings", "runtime_readings"),
)
SITE_COLUMNS = ("build_id", "pc", "function", "file", "line", "start_function", "stored_unix_nano")
AUDIT_COLUMNS = (
    *("stored_unix_nano", "host", "agent_id", "agent_epoch"),
    *("ordinal", "at_unix_nano", "act", "actor", "who", "pid", "exe", "detail"),
)
#: The agent_id of what the collector notes itself, which no agent can have.
NO_AGENT = ""
LOSS_COLUMNS = ("agent_id", "agent_epoch", "sequence", "taken_unix_nano", "name", "total")


@dataclass
class Known:
    """What is stored already, so that repetitions need not be stored again.

    Attributes:
        sequences: Highest stored sequence by `run_of`.
        processes: What was last said of each process number.
        sites: What was last said of each (build_id, pc).
        losses: The totals that each run reported last, by `run_of`.
    """

    sequences: dict[Run, int] = field(default_factory=dict)
    processes: dict[int, Process] = field(default_factory=dict)
    sites: dict[tuple[str, int], Site] = field(default_factory=dict)
    losses: dict[Run, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def load(cls, connection: duckdb.DuckDBPyConnection) -> "Known":
        """What the store holds; processes and losses fill up as they are reported again."""
        sequences = connection.execute(
            "SELECT host, agent_id, agent_epoch, max(sequence) FROM batches GROUP BY host, agent_id, agent_epoch"
        ).fetchall()
        names = connection.execute(
            "SELECT build_id, pc, function, file, line, start_function FROM known_sites"
        ).fetchall()
        sites = (Site(*row) for row in names)
        return cls(
            {(host, agent, epoch): top for host, agent, epoch, top in sequences},
            {},
            {(s.build_id, s.pc): s for s in sites},
        )


def put(known: dict[Key, Value], key: Key, value: Value) -> None:
    """Notes what was said, and forgets what was said first when it is too much: it is stored again when it comes."""
    known[key] = value
    if len(known) > MAX_KNOWN:
        del known[next(iter(known))]


def run_of(stream: Stream) -> Run:
    """(host, agent_id, agent_epoch): the host belongs to it, so that no agent can speak for another host's."""
    return stream.host, stream.agent_id, stream.agent_epoch


def pending_tables(batches: Iterable[Batch], known: Known, now_unix_nano: int) -> Iterator[tuple[str, Columns]]:
    """(table, columns) of everything in the batches that is new to `known`, which is brought up to date.

    A batch whose sequence is not above the highest known of its stream adds nothing.
    """
    new = [batch for batch in batches if _advances(known, batch)]
    if not new:
        return
    yield (
        "batches",
        _records(
            BATCH_COLUMNS,
            [
                (*astuple(batch.stream), batch.sequence, batch.taken_unix_nano, now_unix_nano, batch.interval_ns)
                for batch in new
            ],
        ),
    )
    numbers = [_process_numbers(batch) for batch in new]
    processes = [
        row for batch, own in zip(new, numbers, strict=True) for row in _processes(batch, own, known, now_unix_nano)
    ]
    yield from _filled("processes", _records(PROCESS_COLUMNS, processes))
    sites = [(*astuple(site), now_unix_nano) for batch in new for site in _new_sites(batch, known)]
    yield from _filled("site_names", _records(SITE_COLUMNS, sites, pc=np.uint64))
    losses = [row for batch in new for row in _losses(batch, known)]
    yield from _filled("losses", _records(LOSS_COLUMNS, losses))
    yield from _filled("audit", audit_columns([row for batch in new for row in _audited(batch, now_unix_nano)]))
    for table in TABLES:
        yield from _filled(
            table,
            _stacked([_placed(batch, own, getattr(batch, table)) for batch, own in zip(new, numbers, strict=True)]),
        )


def _advances(known: Known, batch: Batch) -> bool:
    run = run_of(batch.stream)
    if batch.sequence <= known.sequences.get(run, 0):
        return False
    known.sequences[run] = batch.sequence
    return True


def _process_numbers(batch: Batch) -> NDArray[np.int64]:
    return np.array([process_number(batch.stream, process.key) for process in batch.processes], np.int64)


def _processes(batch: Batch, numbers: Iterable[int], known: Known, now_unix_nano: int) -> Iterator[tuple[Any, ...]]:
    stream = batch.stream
    for number, process in zip(map(int, numbers), batch.processes, strict=True):
        if known.processes.get(number) != process:
            put(known.processes, number, process)
            head = (number, stream.agent_id, stream.agent_epoch, batch.sequence, now_unix_nano, stream.host)
            _, *rest, steps, sums, container = astuple(process)
            yield (*head, *astuple(process.key), *rest, sums, *_transposed(steps), *container)


def _transposed(steps: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """A list for each column of the steps."""
    return [list(column) for column in zip(*steps, strict=True)] or [[], [], [], []]


def _new_sites(batch: Batch, known: Known) -> Iterator[Site]:
    for site in batch.sites:
        key = (site.build_id, site.pc)
        if known.sites.get(key) != site:
            put(known.sites, key, site)
            yield site


def _losses(batch: Batch, known: Known) -> Iterator[tuple[Any, ...]]:
    run = run_of(batch.stream)
    before = known.losses.get(run, {})
    put(known.losses, run, batch.losses)
    for name, total in batch.losses.items():
        if before.get(name) != total:
            yield (*run[1:], batch.sequence, batch.taken_unix_nano, name, total)


def _audited(batch: Batch, now_unix_nano: int) -> Iterator[tuple[Any, ...]]:
    for event in batch.audit:
        yield audit_row(run_of(batch.stream), event, now_unix_nano)


def audit_row(run: Run, event: AuditEvent, now_unix_nano: int) -> tuple[Any, ...]:
    """A row of AUDIT_COLUMNS."""
    values = (str(value) if isinstance(value, str) else value for value in astuple(event))
    return now_unix_nano, *run, *values


def audit_columns(rows: Sequence[tuple[Any, ...]]) -> Columns:
    """Such rows as columns of the table."""
    return _records(AUDIT_COLUMNS, rows)


def _placed(batch: Batch, numbers: NDArray[np.int64], columns: Columns) -> Columns:
    """The columns with process numbers for indexes, and with the batch's own values."""
    count = len(columns["process"])
    return {
        **columns,
        "process": numbers[columns["process"].astype(np.int64)] if count else columns["process"],
        "sequence": np.full(count, batch.sequence, np.int64),
        "taken_unix_nano": np.full(count, batch.taken_unix_nano, np.int64),
    }


def _stacked(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _records(names: Sequence[str], records: Sequence[tuple[Any, ...]], **types: type[np.generic]) -> Columns:
    columns = zip(*records, strict=True) if records else [() for _ in names]
    return {name: _column(values, types.get(name)) for name, values in zip(names, columns, strict=True)}


def _column(values: Sequence[Any], kind: type[np.generic] | None) -> NDArray[np.generic]:
    if values and isinstance(values[0], str | list):
        return objects(values)
    return np.array(values, dtype=kind or np.int64)


def _filled(table: str, columns: Columns) -> Iterator[tuple[str, Columns]]:
    if len(next(iter(columns.values()))):
        yield table, columns
