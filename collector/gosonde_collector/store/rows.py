"""Rows of the embedded store into plain values, and plain values into rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from itertools import groupby
from typing import Any

import numpy as np
from gosonde_common.values.audit import Act, Actor, AuditEvent
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.timers import ALL_READ, UNKNOWN, PendingTimers, groups_of
from gosonde_common.wire import http_comments, label_comments, runtime
from gosonde_common.wire.profile import UNREAD
from numpy.typing import NDArray

from gosonde_collector.evidence.context import (
    ContentionProfile,
    ContentionSample,
    ContextProfile,
    HeapProfile,
    HeapSample,
)
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.values import (
    Before,
    Columns,
    Estimate,
    GcCycle,
    GcTotal,
    Heap,
    Holder,
    KnownProcess,
    ParkTotal,
    Pause,
    Process,
    ProcessKey,
    Search,
    Site,
    SiteProof,
    SiteTotal,
    Step,
)
from gosonde_collector.store.records import (
    AuditRecord,
    Counters,
    Estimates,
    FindingRecord,
    GcColumns,
    Mute,
    Reported,
    Running,
    Series,
    Snapshot,
    SnapshotHead,
    StateSeen,
    TimersRead,
)

Row = tuple[Any, ...]
#: Stands for a stack that was not read.
NOT_READ = Frame(UNREAD.function, UNREAD.file, UNREAD.line)


def key_values(key: ProcessKey) -> tuple[str, int, int, int]:
    """The columns of a process key, in the order of every table."""
    return key.boot_id, key.pid, key.start_ticks, key.exec_epoch


def process(values: Sequence[Any]) -> Process:
    """From the columns of queries.DETAILS."""
    exe, go_version, build_id, started, since, from_start, ended, level, refusal, precise, sums, *steps = values[4:19]
    container = values[19:25]
    return Process(
        ProcessKey(*values[:4]),
        exe,
        go_version,
        build_id,
        started,
        since,
        bool(from_start),
        ended,
        level,
        refusal,
        bool(precise),
        tuple(map(Step, *steps)),
        sums,
        Container(*container) if any(container) else NO_CONTAINER,
    )


def known_process(row: Row) -> KnownProcess:
    """From queries.PROCESSES."""
    known = KnownProcess(row[0], process(row[1:26]), *row[26:34])
    return known if row[34] is None else replace(known, runtime_figures=runtime.figures(row[34:-1], row[-1] or ()))


def site_total(row: Row) -> SiteTotal:
    """From queries.SITES."""
    host, boot_id, pid, ticks, epoch, exe = row[:6]
    created, exited, baseline, others_created, others_exited = row[12:17]
    estimate = Estimate(*row[17:25]) if row[17] is not None else None
    over_ns, was_created, was_exited, *was_estimated = row[25:]
    before = Before(over_ns, was_created, was_exited, tuple(was_estimated)) if over_ns is not None else None
    key, site = ProcessKey(boot_id, pid, ticks, epoch), Site(*row[6:12])
    return SiteTotal(host, key, exe, site, created, exited, baseline, estimate, others_created, others_exited, before)


def park_total(row: Row) -> ParkTotal:
    """From queries.PARKS."""
    host, boot_id, pid, ticks, epoch, exe, reason, parks, low, high, *base = row
    return ParkTotal(host, ProcessKey(boot_id, pid, ticks, epoch), exe, reason, parks, low, high or None, *base)


def gc_total(row: Row) -> GcTotal:
    """From queries.GC_TOTALS."""
    host, boot_id, pid, ticks, epoch, exe, cycles = row
    return GcTotal(host, ProcessKey(boot_id, pid, ticks, epoch), exe, cycles)


def gc_cycles(rows: Iterable[Row]) -> list[GcCycle]:
    """From queries.GC_CYCLES: one row per pause, and one for a cycle without any."""
    cycles = []
    for head, members in groupby(rows, key=lambda row: row[:14]):
        host, boot_id, pid, ticks, epoch, exe, ordinal, start, end, *sizes, number = head
        pauses = tuple(Pause(*row[14:]) for row in members if row[14] is not None)
        key, heap = ProcessKey(boot_id, pid, ticks, epoch), Heap(*sizes) if any(sizes) else None
        cycles.append(GcCycle(host, key, exe, ordinal + 1, start, end, pauses, heap, number))
    return cycles


def gc_columns(cycles: Mapping[str, NDArray[Any]], pauses: Mapping[str, NDArray[Any]]) -> GcColumns:
    """From queries.CYCLES and PAUSES."""
    return GcColumns(
        *(np.asarray(cycles[name], np.int64) for name in ("end_unix_nano", "marked_bytes", "goal_bytes")),
        *(np.asarray(pauses[name], np.int64) for name in ("start_unix_nano", "duration_ns")),
    )


def running(rows: Iterable[Row]) -> dict[int, Running]:
    """From queries.RUNNING, by process number."""
    return {row[0]: Running(row[1], process(row[2:27]), row[27]) for row in rows}


def searches(found: Iterable[Row], proofs: Iterable[Row]) -> dict[int, Search]:
    """From queries.SEARCHES and PROOFS: of the latter one row per holder, and one for a site without any."""
    sites: dict[int, dict[int, SiteProof]] = {}
    for figures, members in groupby(proofs, key=lambda row: row[:10]):
        held_by = tuple(Holder(tuple(row[10]), row[11]) for row in members if row[11] is not None)
        sites.setdefault(figures[0], {})[figures[1]] = replace(SiteProof(*figures[2:]), held_by=held_by)
    return {row[0]: replace(Search(*row[1:]), sites=sites.get(row[0], {})) for row in found}


def timers_read(row: Row) -> TimersRead:
    """From queries.TIMERS."""
    read, unread, _pending, others, other_groups, changing, unproved, thousandths, heap_unread = row[:9]
    *columns, lasting = row[9:]
    columns.append([UNKNOWN] * len(columns[0]) if lasting is None else lasting)
    found = PendingTimers(groups_of(columns), changing, thousandths / ALL_READ, unproved, heap_unread)
    return TimersRead(read, found, others, other_groups, unread)


def counters(columns: Mapping[str, NDArray[Any]], stored_unix_nano: int) -> Counters:
    """From queries.BASE_COUNTERS or NEW_COUNTERS."""
    names = ("process", "taken_unix_nano", "created", "exited", "baseline", "mismatch")
    number, times, created, exited, baseline, mismatch = (np.asarray(columns[name], np.int64) for name in names)
    pc = np.asarray(columns["pc"], np.uint64)
    return Counters(number, pc, times, created, exited, baseline, mismatch, stored_unix_nano)


def all_series(
    steps: Mapping[str, NDArray[Any]],
    processes: Mapping[int, Running],
    sites: Mapping[tuple[str, int], Site],
) -> list[Series]:
    """From the columns of queries.SOME_STEPS or SITE_STEPS: the rows of one site stand together, in order."""
    found = []
    for (number, pc), part in _by_site(steps):
        build_id = processes[number].process.build_id
        site = sites.get((build_id, pc), Site(build_id, pc))
        found.append(_series(number, processes[number], site, part))
    return found


def all_estimates(columns: Mapping[str, NDArray[Any]]) -> dict[tuple[int, int], Estimates]:
    """From queries.SOME_ESTIMATES, whose rows of one site stand together, in order."""
    return {
        key: Estimates(
            np.maximum.accumulate(np.asarray(part["taken_unix_nano"], np.int64)),
            *(
                np.stack([np.asarray(part[f"{name}{end}"], np.int64) for end in ("", "_low", "_high")])
                for name in ("created", "exited")
            ),
        )
        for key, part in _by_site(columns)
    }


def _by_site(columns: Mapping[str, NDArray[Any]]) -> Iterator[tuple[tuple[int, int], dict[str, NDArray[Any]]]]:
    """(process number, pc), and the rows of each, which stand together."""
    numbers, pcs = np.asarray(columns["process"]), np.asarray(columns["pc"])
    borders = np.flatnonzero((np.diff(numbers) != 0) | (np.diff(pcs) != 0)) + 1
    for part in np.split(np.arange(len(numbers)), borders):
        if part.size:
            key = int(numbers[part[0]]), int(pcs[part[0]])
            yield key, {name: column[part] for name, column in columns.items()}


def _series(number: int, of: Running, site: Site, steps: Mapping[str, NDArray[Any]]) -> Series:
    # A clock that was set back must not make time run backwards, nor a late reading make a total fall.
    times, created, exited = (
        np.maximum.accumulate(np.asarray(steps[name], np.int64)) for name in ("taken_unix_nano", "created", "exited")
    )
    until = max(of.until_unix_nano, int(times[-1]))
    baseline, mismatch = (np.asarray(steps[name], np.int64) for name in ("baseline", "mismatch"))
    return Series(of.host, of.process, site, times, created, exited, baseline, mismatch, until, number)


def snapshot_head(row: Row) -> SnapshotHead:
    """From snapshot_queries.SNAPSHOT_HEADS."""
    host, boot_id, pid, ticks, epoch, kind, from_memory, snapshot_id, taken = row
    return SnapshotHead(host, ProcessKey(boot_id, pid, ticks, epoch), kind, bool(from_memory), snapshot_id, taken)


def state_seen(row: Row) -> StateSeen:
    """From snapshot_queries.STATES_SEEN."""
    taken, function, file, line, state, goroutines = row
    return StateSeen(taken, Frame(function, file, line), state, goroutines)


def snapshot(rows: Sequence[Row], labels: Sequence[Row]) -> Snapshot | None:
    """From snapshot_queries.SNAPSHOT: one row per group; None when there is none. And from SNAPSHOT_LABELS."""
    if not rows:
        return None
    snapshot_id, taken, form, kind = rows[0][:4]
    said = labels[0][0] if labels else ()
    labelled, hosts = label_comments.read(said), http_comments.read(said)
    profile = GoroutineProfile(form, tuple(map(_group, rows)), taken, kind, labels=labelled, hosts=hosts)
    return Snapshot(snapshot_id, taken, profile)


def _group(row: Row) -> GoroutineGroup:
    count, functions, files, lines, function, file, line, state, waited, goids, stack_bytes = row[4:]
    unread = functions == [UNREAD.function]
    frames = () if unread else tuple(map(Frame, functions, files, lines))
    created_by = Frame(function, file, line) if function else None
    return GoroutineGroup(count, frames, created_by, state, waited, tuple(goids), stack_bytes, unread)


def snapshot_head_columns(
    snapshot_id: str, host: str, process: ProcessKey, moments: tuple[int, int], names: tuple[str, str]
) -> Columns:
    """The columns of snapshots: one row. `moments`: taken and stored; `names`: format and kind."""
    texts = {"snapshot_id": snapshot_id, "host": host, "boot_id": process.boot_id}
    numbers = {"pid": process.pid, "start_ticks": process.start_ticks, "exec_epoch": process.exec_epoch}
    times = dict(zip(("taken_unix_nano", "stored_unix_nano"), moments, strict=True))
    kinds = dict(zip(("format", "kind"), names, strict=True))
    return {
        **{name: objects([value]) for name, value in (texts | kinds).items()},
        **{name: np.array([value], np.int64) for name, value in (numbers | times).items()},
    }


def group_columns(snapshot_id: str, profile: GoroutineProfile) -> Columns:
    """The columns of snapshot_groups."""
    groups = profile.groups
    nowhere = Frame("", "", 0)
    return {
        "snapshot_id": objects([snapshot_id] * len(groups)),
        "position": np.arange(len(groups), dtype=np.int64),
        "goroutines": np.array([group.count for group in groups], np.int64),
        **_stack_columns([(NOT_READ,) if group.unread else group.frames for group in groups]),
        "created_function": objects([(group.created_by or nowhere).function for group in groups]),
        "created_file": objects([(group.created_by or nowhere).file for group in groups]),
        "created_line": np.array([(group.created_by or nowhere).line for group in groups], np.int64),
        "state": objects([group.state for group in groups]),
        "wait_s": np.array([group.wait_s for group in groups], np.int64),
        "goids": objects([list(group.goids) for group in groups]),
        "stack_bytes": np.array([group.stack_bytes for group in groups], np.int64),
    }


def label_columns(snapshot_id: str, profile: GoroutineProfile) -> Columns:
    """The columns of snapshot_labels: one row."""
    return {
        "snapshot_id": objects([snapshot_id]),
        "comments": objects([[*label_comments.comments(profile.labels), *http_comments.comments(profile.hosts)]]),
    }


def heap_profile(rows: Sequence[Row]) -> HeapProfile | None:
    """From snapshot_queries.NEWEST_SAMPLES; None when there is none."""
    samples = tuple(HeapSample(_stack(row), *row[4]) for row in rows)
    return HeapProfile(samples, rows[0][0]) if rows else None


def contention_profile(kind: str, rows: Sequence[Row]) -> ContentionProfile | None:
    """From snapshot_queries.NEWEST_SAMPLES; None when there is none."""
    samples = tuple(ContentionSample(_stack(row), *row[4]) for row in rows)
    return ContentionProfile(kind, samples, rows[0][0]) if rows else None


def _stack(row: Row) -> tuple[Frame, ...]:
    return tuple(map(Frame, *row[1:4]))


def sample_columns(snapshot_id: str, profile: ContextProfile) -> Columns:
    """The columns of snapshot_samples."""
    stacks = [sample.frames for sample in profile.samples]
    if isinstance(profile, HeapProfile):
        amounts = [[s.alloc_objects, s.alloc_bytes, s.inuse_objects, s.inuse_bytes] for s in profile.samples]
    else:
        amounts = [[s.contentions, s.delay_ns] for s in profile.samples]
    return {
        "snapshot_id": objects([snapshot_id] * len(stacks)),
        "position": np.arange(len(stacks), dtype=np.int64),
        **_stack_columns(stacks),
        "amounts": objects(amounts),
    }


def _stack_columns(stacks: Sequence[Sequence[Frame]]) -> dict[str, NDArray[np.generic]]:
    return {
        "functions": objects([[frame.function for frame in stack] for stack in stacks]),
        "files": objects([[frame.file for frame in stack] for stack in stacks]),
        "lines": objects([[frame.line for frame in stack] for stack in stacks]),
    }


def finding_columns(findings: Sequence[FindingRecord]) -> Columns:
    """The columns of findings."""
    return {
        "id": objects([finding.id for finding in findings]),
        "updated_unix_nano": np.array([finding.updated_unix_nano for finding in findings], np.int64),
        "document": objects([finding.document for finding in findings]),
    }


def mute_columns(mutes: Sequence[Mute]) -> Columns:
    """The columns of mutes."""
    names = ("finding", "service", "function", "reason", "muted_by", "since_unix_nano", "until_unix_nano")
    columns = zip(*map(astuple, mutes), strict=True)
    return {
        name: np.array(values, np.int64) if name.endswith("_nano") else objects(values)
        for name, values in zip(names, columns, strict=True)
    }


def reported_columns(reported: Sequence[Reported]) -> Columns:
    """The columns of what receivers of alerts know."""
    names = ("receiver", "finding", "document")
    return {name: objects([getattr(one, name) for one in reported]) for name in names}


def audit_record(row: tuple[Any, ...]) -> AuditRecord:
    """A row of queries.AUDIT."""
    host, agent, run, stored_unix_nano, ordinal, at_unix_nano, act, actor, *rest = row
    event = AuditEvent(ordinal, at_unix_nano, Act(act), Actor(actor), *rest)
    return AuditRecord(host, agent, run, stored_unix_nano, event)


def objects(values: Sequence[Any]) -> NDArray[np.generic]:
    """A column of texts or lists."""
    column = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        column[position] = value
    return column
