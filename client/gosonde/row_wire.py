"""Messages of a collector as plain values."""

from dataclasses import fields, replace

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.http import HostSeen
from gosonde_common.values.labels import LabelShare
from gosonde_common.values.observation import ProcessKey
from gosonde_common.wire import runtime
from gosonde_common.wire.containers import decode_container
from gosonde_common.wire.timers import READINGS, reading
from gosonde_pb.v1 import collector_pb2, model_pb2

from gosonde.rows import (
    Estimate,
    Finding,
    GcRow,
    Muted,
    ParkRow,
    Pause,
    PerSecond,
    ProcessName,
    ProcessRow,
    Pushed,
    Shared,
    SiteName,
    SiteRow,
    Step,
    TimersFound,
    TimersRow,
    Work,
)
from gosonde.witness_numbers import numbers_of


def process_of(row: collector_pb2.ProcessRow) -> ProcessRow:
    """A process.

    Raises:
        InvalidInputError: Its container has a text that none can have, or its runtime a figure.
    """
    process = row.process
    return ProcessRow(
        row.host,
        process.key.pid,
        process.exe,
        process.go_version,
        process.build_id,
        process.started_unix_nano,
        level_name(process.level),
        row.created,
        row.exited,
        row.baseline + row.created - row.exited,
        row.target_ppm / 1e4,
        row.core_ppm / 1e4,
        not process.imprecise,
        [
            Step(
                step.at_unix_nano,
                level_name(step.level),
                model_pb2.StepReason.Name(step.reason).removeprefix("STEP_REASON_").lower(),
                step.target_ppm / 1e4,
            )
            for step in process.steps
        ],
        row.clock_offset_ns,
        row.age_ns,
        row.is_stale,
        process.sums,
        row.no_probes_because,
        _source(process),
        decode_container(process.container) if process.HasField("container") else None,
        runtime.single(row.runtime) if row.HasField("runtime") else None,
    )


def _source(process: model_pb2.Process) -> str:
    """What watches a process: "ebpf", "memory" where the agent may place no probes, or "" when it is refused."""
    if process.level == model_pb2.LEVEL_REFUSED:
        return ""
    has_none = bool(process.steps) and process.steps[-1].reason == model_pb2.STEP_REASON_NO_PROBES
    return "memory" if has_none else "ebpf"


def level_name(level: model_pb2.Level.ValueType) -> str:
    """ "full", "creation", "sampled", "memory", "off" or "refused"."""
    return model_pb2.Level.Name(level).removeprefix("LEVEL_").lower()


def site_of(row: collector_pb2.SiteRow) -> SiteRow:
    """A `go` statement of a process."""
    site, found = row.site, row.estimate
    name = ProcessName(row.process.pid, row.exe)
    live = row.baseline + row.created - row.exited
    known = SiteRow(row.host, name, site.function, site.file, site.line, row.created, row.exited, live)
    if row.HasField("turnover") and row.turnover.over_ns:
        known = replace(known, per_second=_per_second(row.turnover))
    if row.HasField("estimate"):
        return replace(known, estimated=Estimate(*(getattr(found, field.name) for field in fields(Estimate))))
    if row.shared_created or row.shared_exited:
        return replace(known, shared=Shared(row.shared_created, row.shared_exited))
    return known


def _per_second(found: collector_pb2.Turnover) -> PerSecond:
    seconds = found.over_ns / 1e9
    rates = (getattr(found, field.name) / seconds for field in fields(PerSecond)[1:])
    return PerSecond(found.over_ns, *rates)


def park_of(row: collector_pb2.ParkRow) -> ParkRow:
    """An estimate of parks."""
    return ParkRow(
        row.host,
        ProcessName(row.process.pid, row.exe),
        row.wait_reason,
        row.parks,
        row.parks_low,
        row.parks_high if row.HasField("parks_high") else None,
        row.windows,
        row.sampled_ns,
        row.covered_ns,
    )


def timers_of(row: collector_pb2.TimersRow) -> TimersRow:
    """The timers of a process.

    Raises:
        InvalidInputError: The message contradicts itself.
    """
    key = row.process
    columns = (getattr(row.reading, name) for name in READINGS)
    try:
        ((*values,),) = zip(*columns, strict=True)
    except ValueError:
        raise InvalidInputError("TimersRow: not one reading") from None
    read = reading(ProcessKey(key.boot_id, key.pid, key.start_ticks, key.exec_epoch), values)
    name, others = ProcessName(key.pid, row.exe), (read.others, read.other_groups, read.unread)
    return TimersRow(row.host, name, read.read_unix_nano, row.age_ns, read.found, *others)


def cycle_of(row: collector_pb2.GcCycleRow) -> GcRow:
    """A GC cycle."""
    pauses = [Pause(pause.start_unix_nano, pause.duration_ns, pause.reason) for pause in row.pauses]
    process, heap = ProcessName(row.process.pid, row.exe), row.heap
    known = GcRow(row.host, process, row.cycle or None, row.start_unix_nano, pauses)
    if not row.HasField("heap"):
        return known
    return replace(
        known,
        heap_before_bytes=heap.before_bytes,
        heap_after_bytes=heap.after_bytes,
        heap_marked_bytes=heap.marked_bytes,
        heap_goal_bytes=heap.goal_bytes or None,
    )


def verdict_name(verdict: collector_pb2.Verdict.ValueType) -> str:
    """ "agrees", "disagrees" or "silent"."""
    return collector_pb2.Verdict.Name(verdict).removeprefix("VERDICT_").lower()


def finding_of(found: collector_pb2.Finding) -> Finding:
    """The message as a plain value. Raises InvalidInputError as `process_of`."""
    return Finding(
        found.id,
        collector_pb2.FindingState.Name(found.state).removeprefix("FINDING_STATE_").lower(),
        found.confidence,
        found.cause,
        found.remedy,
        found.host,
        ProcessName(found.process.pid, found.exe),
        SiteName(found.site.function, found.site.file, found.site.line),
        found.live,
        found.growth_per_second,
        found.first_seen_unix_nano,
        {witness.name: verdict_name(witness.verdict) for witness in found.witnesses},
        {witness.name: witness.detail for witness in found.witnesses},
        found.pattern,
        found.restarts,
        waits_in=found.waits_in,
        works=tuple(Work(work.function, work.goroutines, work.cause) for work in found.works),
        part_of=found.part_of,
        age_ns=found.age_ns,
        stale=found.is_stale,
        muted=_muted(found.mute) if found.HasField("mute") else None,
        numbers=numbers_of(found.witnesses),
        timers=_timers(found.timers) if found.HasField("timers") else None,
        container=decode_container(found.container) if found.HasField("container") else None,
        labels=tuple(map(_label, found.labels)),
        is_estimated=found.is_estimated,
        hosts=tuple(map(_host, found.hosts)),
    )


def _host(of: collector_pb2.HostConnections) -> HostSeen:
    counts = of.connections, of.bodies, of.waiting, of.idle, of.on_no_stack
    return HostSeen(of.host, *counts, of.taken_unix_nano)


def _label(share: collector_pb2.LabelShare) -> LabelShare:
    value = share.value if share.HasField("value") else None
    return LabelShare(share.key, value, share.goroutines, share.at_most, share.of, share.taken_unix_nano)


def _timers(found: collector_pb2.TimersFound) -> TimersFound:
    return TimersFound(
        found.kind,
        found.callback,
        found.repeats,
        found.pending,
        found.next_in_ns,
        found.period_ns or None,
        found.retained_heap_bytes if found.HasField("retained_heap_bytes") else None,
        found.is_estimated,
    )


def _muted(mute: collector_pb2.Mute) -> Muted:
    covers = "function" if mute.covers == collector_pb2.MUTE_COVERS_FUNCTION else "finding"
    return Muted(mute.reason, mute.by, mute.since_unix_nano, mute.until_unix_nano, covers)


def pushed_of(answer: collector_pb2.PushSnapshotResponse) -> Pushed:
    """A snapshot that is stored."""
    return Pushed(
        answer.snapshot_id,
        answer.kind,
        answer.format,
        answer.goroutines,
        answer.distinct_stacks,
        answer.age_ns,
        tuple(answer.recognized),
        answer.passed_over,
        answer.partial,
    )


def taken_of(answer: collector_pb2.TakeSnapshotResponse) -> Pushed:
    """A snapshot that an agent took."""
    return Pushed(
        answer.snapshot_id,
        answer.kind,
        answer.format,
        answer.goroutines,
        answer.distinct_stacks,
        answer.age_ns,
        partial=answer.partial,
    )
