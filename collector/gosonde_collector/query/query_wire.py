"""Plain values into the messages of CollectorService, and its requests into plain values."""

from collections.abc import Sequence
from dataclasses import asdict

from gosonde_common.errors import UnsupportedError
from gosonde_common.values.containers import Container
from gosonde_common.values.timers import ALL_READ
from gosonde_common.wire import outcomes
from gosonde_common.wire.containers import encode_container
from gosonde_common.wire.runtime import encode_runtimes
from gosonde_common.wire.timers import GROUPS
from gosonde_pb.v1 import collector_pb2, model_pb2

from gosonde_collector.analysis.finding import OVER, Finding, TimersFound
from gosonde_collector.analysis.turnover import Turnover, turnovers
from gosonde_collector.evidence.model import GoroutineProfile, Reading
from gosonde_collector.evidence.parse import Profile
from gosonde_collector.ingest import wire as ingest_wire
from gosonde_collector.model import ages
from gosonde_collector.model.values import (
    GcCycle,
    KnownProcess,
    ParkTotal,
    ProcessFilter,
    ProcessKey,
    Site,
    SiteProof,
    SiteTotal,
    SnapshotKind,
)
from gosonde_collector.query import witness_wire
from gosonde_collector.snapshots.requests import Proved, Taken
from gosonde_collector.store.records import Mute, Running, TimersRead

#: In the messages: what agents say of estimates may come to more.
MOST = (1 << 64) - 1
LEVELS = {name: number for number, name in ingest_wire.LEVELS.items()}
REASONS = {name: number for number, name in ingest_wire.REASONS.items()}
STATES = {
    "opened": collector_pb2.FINDING_STATE_OPENED,
    "growing": collector_pb2.FINDING_STATE_GROWING,
    "stable": collector_pb2.FINDING_STATE_STABLE,
    "resolved": collector_pb2.FINDING_STATE_RESOLVED,
    "withdrawn": collector_pb2.FINDING_STATE_WITHDRAWN,
}
KINDS = {
    model_pb2.SNAPSHOT_KIND_UNSPECIFIED: SnapshotKind.MEMORY,
    model_pb2.SNAPSHOT_KIND_MEMORY: SnapshotKind.MEMORY,
    model_pb2.SNAPSHOT_KIND_PPROF: SnapshotKind.PPROF,
    model_pb2.SNAPSHOT_KIND_PPROF_LEAK: SnapshotKind.PPROF_LEAK,
    model_pb2.SNAPSHOT_KIND_PPROF_HEAP: SnapshotKind.PPROF_HEAP,
    model_pb2.SNAPSHOT_KIND_PROOF: SnapshotKind.PROOF,
}


def process_filter(message: collector_pb2.ProcessFilter) -> ProcessFilter:
    """Which processes a request is about.

    Raises:
        InvalidInputError: A name is none that Kubernetes gives.
    """
    container = Container(namespace=message.namespace, pod=message.pod, workload=message.workload)
    return ProcessFilter(message.host, message.pid, message.all_runs, container)


def _key(key: ProcessKey) -> model_pb2.ProcessKey:
    return model_pb2.ProcessKey(
        boot_id=key.boot_id, pid=key.pid, start_ticks=key.start_ticks, exec_epoch=key.exec_epoch
    )


def _site(site: Site) -> collector_pb2.Site:
    return collector_pb2.Site(
        build_id=site.build_id,
        pc=site.pc,
        function=site.function,
        file=site.file,
        line=site.line,
        start_function=site.start_function,
    )


def process_row(
    known: KnownProcess, now_unix_nano: int, clock_offset_ns: int, no_probes_because: str
) -> collector_pb2.ProcessRow:
    """A row of ListProcesses; `no_probes_because` is what is known of its host."""
    process = known.process
    age = ages.age_ns(known, now_unix_nano, clock_offset_ns)
    row = collector_pb2.ProcessRow(
        host=known.host,
        process=model_pb2.Process(
            key=_key(process.key),
            exe=process.exe,
            go_version=process.go_version,
            build_id=process.build_id,
            started_unix_nano=process.started_unix_nano,
            counted_since_unix_nano=process.counted_since_unix_nano,
            counted_from_start=process.counted_from_start,
            ended_unix_nano=process.ended_unix_nano,
            level=LEVELS[process.level],
            refusal=process.refusal,
            imprecise=not process.precise,
            steps=[
                model_pb2.Step(
                    at_unix_nano=step.at_unix_nano,
                    level=LEVELS[step.level],
                    reason=REASONS[step.reason],
                    target_ppm=step.target_ppm,
                )
                for step in process.steps
            ],
            sums=process.sums,
            container=encode_container(process.container),
        ),
        created=known.created,
        exited=known.exited,
        baseline=known.baseline,
        clock_offset_ns=clock_offset_ns,
        no_probes_because=no_probes_because if process.has_no_probes else "",
        target_ppm=known.target_ppm,
        core_ppm=known.core_ppm,
        age_ns=age,
        is_stale=ages.is_overdue(known, age),
    )
    if known.runtime_figures:
        encode_runtimes(row.runtime, [known.runtime_figures], [0])
    return row


def site_rows(totals: Sequence[SiteTotal]) -> list[collector_pb2.SiteRow]:
    """The rows of ListSites."""
    return [_site_row(total, turnover) for total, turnover in zip(totals, turnovers(totals), strict=True)]


def _site_row(total: SiteTotal, turnover: Turnover | None) -> collector_pb2.SiteRow:
    return collector_pb2.SiteRow(
        host=total.host,
        process=_key(total.process),
        exe=total.exe,
        site=_site(total.site),
        created=total.created,
        exited=total.exited,
        baseline=total.baseline,
        estimate=collector_pb2.SiteEstimate(**total.estimate._asdict()) if total.estimate else None,
        shared_created=total.shared_created,
        shared_exited=total.shared_exited,
        turnover=_turnover(turnover) if turnover else None,
    )


def _turnover(found: Turnover) -> collector_pb2.Turnover:
    created, exited = ([min(number, MOST) for number in amount] for amount in (found.created, found.exited))
    return collector_pb2.Turnover(
        over_ns=found.over_ns,
        created=created[0],
        created_low=created[1],
        created_high=created[2],
        exited=exited[0],
        exited_low=exited[1],
        exited_high=exited[2],
    )


def park_row(total: ParkTotal) -> collector_pb2.ParkRow:
    """A row of ListParks."""
    return collector_pb2.ParkRow(
        host=total.host,
        process=_key(total.process),
        exe=total.exe,
        wait_reason=total.wait_reason,
        parks=total.parks,
        parks_low=total.parks_low,
        parks_high=total.parks_high,
        windows=total.windows,
        sampled_ns=total.sampled_ns,
        covered_ns=total.covered_ns,
    )


def timers_row(of: Running, read: TimersRead, age_ns: int) -> collector_pb2.TimersRow:
    """A row of ListTimers."""
    groups = model_pb2.TimerGroups()
    for group in read.found.groups:
        numbers = group.pending, group.next_in_ns, group.period_ns or 0, group.retained_heap_bytes or 0
        for name, value in zip(GROUPS, (group.callback, group.waits_in, group.kind.value, *numbers), strict=False):
            getattr(groups, name).append(value)
    if all(group.lasting is not None for group in read.found.groups):
        groups.lasting.extend(group.lasting or 0 for group in read.found.groups)
    reading = model_pb2.TimerReadings(
        process=[0],
        read_unix_nano=[read.read_unix_nano],
        unread=[read.unread],
        pending=[read.pending],
        others=[read.others],
        other_groups=[read.other_groups],
        changing=[read.found.changing],
        unproved=[read.found.unproved],
        stands_for_thousandths=[round(read.found.each_stands_for * ALL_READ)],
        heap_unread=[read.found.heap_unread],
        groups=[groups],
    )
    key, exe = _key(of.process.key), of.process.exe
    return collector_pb2.TimersRow(host=of.host, process=key, exe=exe, reading=reading, age_ns=age_ns)


def gc_cycle_row(cycle: GcCycle) -> collector_pb2.GcCycleRow:
    """A row of ListGcCycles."""
    return collector_pb2.GcCycleRow(
        host=cycle.host,
        process=_key(cycle.process),
        exe=cycle.exe,
        cycle=cycle.number,
        start_unix_nano=cycle.start_unix_nano,
        end_unix_nano=cycle.end_unix_nano,
        pauses=[
            collector_pb2.Pause(
                start_unix_nano=pause.start_unix_nano, duration_ns=pause.duration_ns, reason=pause.reason
            )
            for pause in cycle.pauses
        ],
        heap=collector_pb2.Heap(**asdict(cycle.heap)) if cycle.heap else None,
    )


def finding_message(
    finding: Finding, age: tuple[int, bool], part_of: str, muted: Mute | None = None
) -> collector_pb2.Finding:
    """A finding of ListFindings; `part_of` as stories.leads has it, `age` as Newest.age_of has its host's."""
    age_ns, is_stale = (0, False) if finding.state in OVER else age
    return collector_pb2.Finding(
        id=finding.id,
        state=STATES[finding.state],
        confidence=finding.confidence,
        cause=finding.cause,
        remedy=finding.remedy,
        host=finding.host,
        process=_key(finding.process),
        exe=finding.exe,
        site=_site(finding.site),
        live=finding.live,
        growth_per_second=finding.growth_per_second,
        first_seen_unix_nano=finding.first_seen_unix_nano,
        witnesses=map(witness_wire.witness, finding.witnesses),
        pattern=finding.pattern,
        restarts=finding.restarts,
        waits_in=finding.waits_in,
        works=[
            collector_pb2.Work(function=work.function, goroutines=work.goroutines, cause=work.cause)
            for work in finding.works
        ],
        part_of=part_of,
        age_ns=age_ns,
        is_stale=is_stale,
        mute=_mute(muted) if muted else None,
        timers=_timers(finding.timers) if finding.timers else None,
        container=encode_container(finding.container),
        labels=[collector_pb2.LabelShare(**asdict(share)) for share in finding.labels],
        is_estimated=finding.is_estimated,
        hosts=[collector_pb2.HostConnections(**asdict(host)) for host in finding.hosts],
    )


def _timers(found: TimersFound) -> collector_pb2.TimersFound:
    return collector_pb2.TimersFound(
        **found.name._asdict(),
        pending=found.pending,
        next_in_ns=found.next_in_ns,
        period_ns=found.period_ns or 0,
        retained_heap_bytes=found.retained_heap_bytes,
        is_estimated=found.is_estimated,
    )


def _mute(muted: Mute) -> collector_pb2.Mute:
    return collector_pb2.Mute(
        reason=muted.reason,
        by=muted.by,
        since_unix_nano=muted.since_unix_nano,
        until_unix_nano=muted.until_unix_nano,
        covers=collector_pb2.MUTE_COVERS_FINDING if muted.finding else collector_pb2.MUTE_COVERS_FUNCTION,
    )


def push_answer(snapshot_id: str, profile: Profile, age_ns: int) -> collector_pb2.PushSnapshotResponse:
    """What PushSnapshot answers."""
    reading = profile.reading if isinstance(profile, GoroutineProfile) else Reading()
    return collector_pb2.PushSnapshotResponse(
        snapshot_id=snapshot_id,
        format=profile.format,
        goroutines=profile.goroutines if isinstance(profile, GoroutineProfile) else 0,
        distinct_stacks=len(profile.stacks),
        kind=profile.kind,
        age_ns=age_ns,
        recognized=reading.recognized,
        passed_over=reading.passed_over,
        partial=reading.partial,
    )


def snapshot_kind(number: int) -> SnapshotKind:
    """What a snapshot is to be made from.

    Raises:
        UnsupportedError: The kind is not known.
    """
    for known, kind in KINDS.items():
        if known == number:
            return kind
    raise UnsupportedError(f"this collector knows no kind {number} of snapshots; it may be older than the client")


def take_answer(taken: Taken) -> collector_pb2.TakeSnapshotResponse:
    """What TakeSnapshot answers."""
    pushed = push_answer(taken.id, taken.profile, taken.age_ns)
    return collector_pb2.TakeSnapshotResponse(
        snapshot_id=pushed.snapshot_id,
        format=pushed.format,
        goroutines=pushed.goroutines,
        distinct_stacks=pushed.distinct_stacks,
        kind=pushed.kind,
        age_ns=pushed.age_ns,
        partial=pushed.partial,
    )


def proof(found: SiteProof) -> collector_pb2.Proof:
    """What a search found of a statement."""
    return collector_pb2.Proof(
        searched_unix_nano=found.searched_unix_nano,
        scans=found.scans,
        examined=found.examined,
        proved=found.proved,
        probable=found.probable,
        oldest_wait_ns=found.oldest_wait_ns,
        retained_stack_bytes=found.retained_stack_bytes,
        retained_heap_bytes=found.retained_heap_bytes,
        held_by=[collector_pb2.HeldBy(path=holder.path, goroutines=holder.goroutines) for holder in found.held_by],
    )


def proved_answer(proved: Proved) -> collector_pb2.TakeSnapshotResponse:
    """What TakeSnapshot answers when it was asked for a proof."""
    return collector_pb2.TakeSnapshotResponse(
        outcome=outcomes.encode(proved.outcome),
        age_ns=proved.age_ns,
        sites=[collector_pb2.SearchedSite(site=_site(site), proof=proof(found)) for site, found in proved.sites],
    )
