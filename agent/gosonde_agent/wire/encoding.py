"""The agent's values as protobuf messages; `gosonde_common.wire.observations` is the way back.

Tables travel as columns, so that 10,000 rows cost a handful of list fills instead of 10,000 message objects.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from gosonde_common.values.audit import AuditEvent
from gosonde_common.values.observation import (
    MAX_HOLDERS,
    MAX_PATH_STEPS,
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
from gosonde_common.values.status import AgentStatus
from gosonde_common.wire.audit import AUDIT
from gosonde_common.wire.containers import encode_container
from gosonde_common.wire.observations import LEVELS, PARK_COUNTS, PROOFS, REASONS, SITE_ESTIMATES
from gosonde_common.wire.runtime import encode_runtimes
from gosonde_pb.v1 import agent_pb2, ingest_pb2, model_pb2

from gosonde_agent.wire.texts import text
from gosonde_agent.wire.timers import encode_timers

#: Largest line number that the field holds.
MAX_LINE = (1 << 32) - 1

#: How a heap that is not known is reported.
UNKNOWN = Heap(0, 0, 0, 0)

#: For annotations elsewhere.
ObservationMessage = model_pb2.Observation
Request = ingest_pb2.StreamObservationsRequest
Response = ingest_pb2.StreamObservationsResponse


class _Row(Protocol):
    @property
    def process(self) -> ProcessKey: ...


def encode(observation: Observation, known: AbstractSet[Site] = frozenset()) -> model_pb2.Observation:
    """The message for an observation. The names of sites in `known` are left out.

    Each site's build id must be that of its process, and every process that a row names must be in
    `observation.processes`.

    Raises:
        ValueError: A row names a process that is not there, or a number does not fit its field.
    """
    message = model_pb2.Observation(
        taken_unix_nano=observation.taken_unix_nano, interval_ns=observation.interval_ns, losses=observation.losses
    )
    message.processes.extend([_process(process) for process in observation.processes])
    index = {process.key: position for position, process in enumerate(observation.processes)}
    _encode_names(message.site_names, observation.site_counts, known)
    _encode_counts(message.site_counters, observation.site_counts, index)
    _encode_parks(message.park_counters, observation.park_counts, index)
    _encode_pauses(message.pauses, observation.pauses, index)
    _encode_cycles(message.gc_cycles, observation.gc_cycles, index)
    _encode_totals(message.gc_totals, observation.gc_totals, index)
    _encode_costs(message.probe_costs, observation.probe_costs, index)
    if observation.estimates:
        _encode_estimates(message.site_estimates, observation.estimates, index)
    if observation.proofs or observation.searches:  # most observations have none
        _encode_proofs(message.proofs, observation.proofs, index)
        _encode_holders(message.holders, observation.proofs, index)
        _encode_searches(message.searches, observation.searches, index)
    if observation.timers:
        encode_timers(message.timer_readings, observation.timers, _positions(observation.timers, index))
    if observation.runtimes:
        figures = [row.runtime_figures for row in observation.runtimes]
        encode_runtimes(message.runtime_readings, figures, _positions(observation.runtimes, index))
    if observation.audit:
        _encode_audit(message.audit_events, observation.audit)
    return message


def hello(
    agent_id: str,
    agent_epoch: str,
    host: str,
    agent_version: str,
    *,
    agent_run: int = 0,
    previous_end: str = "unspecified",
    no_probes_because: str = "",
) -> Request:
    """The first request of a stream; `previous_end` is a value of `journal.PreviousEnd`."""
    return Request(
        hello=ingest_pb2.Hello(
            agent_id=agent_id,
            agent_epoch=agent_epoch,
            host=text(host),
            agent_version=agent_version,
            agent_run=agent_run,
            previous_end=ingest_pb2.PreviousEnd.Value(f"PREVIOUS_END_{previous_end.upper()}"),
            no_probes_because=text(no_probes_because),
        )
    )


def batch(sequence: int, observation: model_pb2.Observation) -> Request:
    """A later request of a stream."""
    return Request(batch=ingest_pb2.Batch(sequence=sequence, observation=observation))


def answer(observation: Observation) -> agent_pb2.GetObservationResponse:
    """What GetObservation answers, with every name.

    Raises:
        ValueError: As `encode`.
    """
    return agent_pb2.GetObservationResponse(observation=encode(observation))


def switched(processes: Sequence[Process]) -> agent_pb2.SwitchProbesResponse:
    """What SwitchProbes answers."""
    return agent_pb2.SwitchProbesResponse(processes=[_process(process) for process in processes])


def encode_status(status: AgentStatus) -> agent_pb2.GetStatusResponse:
    """What GetStatus answers."""
    return agent_pb2.GetStatusResponse(
        agent_id=status.agent_id,
        agent_version=status.agent_version,
        host=text(status.host),
        started_unix_nano=status.started_unix_nano,
        collector=status.uplink.collector,
        collector_connected=status.uplink.connected,
        last_sequence=status.uplink.last_sequence,
        acknowledged_sequence=status.uplink.acknowledged_sequence,
        collector_error=text(status.uplink.error),
        no_probes_because=text(status.no_probes_because),
    )


def _process(process: Process) -> model_pb2.Process:
    return model_pb2.Process(
        key=model_pb2.ProcessKey(
            boot_id=process.key.boot_id,
            pid=process.key.pid,
            start_ticks=process.key.start_ticks,
            exec_epoch=process.key.exec_epoch,
        ),
        exe=text(process.exe),
        go_version=text(process.go_version),
        build_id=text(process.build_id),
        started_unix_nano=process.started_unix_nano,
        counted_since_unix_nano=process.counted_since_unix_nano,
        counted_from_start=process.counted_from_start,
        ended_unix_nano=process.ended_unix_nano,
        level=model_pb2.LEVEL_REFUSED if process.refusal else LEVELS[process.level],
        refusal=text(process.refusal),
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
    )


def sites_of(rows: Iterable[SiteCount]) -> list[Site]:
    """Each site once. Rows of the agent's own share the names of a file, so that few are compared."""
    return list(dict.fromkeys({id(row.site): row.site for row in rows}.values()))


def _encode_names(names: model_pb2.SiteNames, rows: Sequence[SiteCount], known: AbstractSet[Site]) -> None:
    sites = [site for site in sites_of(rows) if site not in known]
    names.build_id.extend([text(site.build_id) for site in sites])
    names.pc.extend([site.pc for site in sites])
    names.function.extend([text(site.function) for site in sites])
    names.file.extend([text(site.file) for site in sites])
    names.line.extend([min(max(site.line, 0), MAX_LINE) for site in sites])
    names.start_function.extend([text(site.start_function) for site in sites])


def _encode_counts(
    counters: model_pb2.SiteCounters, rows: Sequence[SiteCount], index: Mapping[ProcessKey, int]
) -> None:
    counters.process.extend(_positions(rows, index))
    counters.pc.extend([row.site.pc for row in rows])
    counters.created.extend([row.created for row in rows])
    counters.exited.extend([row.exited for row in rows])
    counters.baseline.extend([row.baseline for row in rows])
    counters.mismatch.extend([row.mismatch for row in rows])


def _encode_estimates(
    estimates: model_pb2.SiteEstimates, rows: Sequence[SiteEstimate], index: Mapping[ProcessKey, int]
) -> None:
    estimates.process.extend(_positions(rows, index))
    estimates.pc.extend([row.site.pc for row in rows])
    for name in SITE_ESTIMATES:
        getattr(estimates, name).extend([getattr(row, name) for row in rows])


def _encode_parks(counters: model_pb2.ParkCounters, rows: Sequence[ParkCount], index: Mapping[ProcessKey, int]) -> None:
    counters.process.extend(_positions(rows, index))
    counters.wait_reason.extend([text(row.wait_reason) for row in rows])
    for name in PARK_COUNTS:
        getattr(counters, name).extend([getattr(row, name) or 0 for row in rows])


def _encode_pauses(pauses: model_pb2.Pauses, rows: Sequence[Pause], index: Mapping[ProcessKey, int]) -> None:
    pauses.process.extend(_positions(rows, index))
    pauses.start_unix_nano.extend([row.start_unix_nano for row in rows])
    pauses.duration_ns.extend([row.duration_ns for row in rows])
    pauses.reason.extend([text(row.reason) for row in rows])
    pauses.ordinal.extend([row.ordinal for row in rows])


def _encode_cycles(cycles: model_pb2.GcCycles, rows: Sequence[GcCycle], index: Mapping[ProcessKey, int]) -> None:
    cycles.process.extend(_positions(rows, index))
    cycles.ordinal.extend([row.ordinal for row in rows])
    cycles.start_unix_nano.extend([row.start_unix_nano for row in rows])
    cycles.end_unix_nano.extend([row.end_unix_nano for row in rows])
    heaps = [row.heap or UNKNOWN for row in rows]
    cycles.heap_before_bytes.extend([heap.before_bytes for heap in heaps])
    cycles.heap_after_bytes.extend([heap.after_bytes for heap in heaps])
    cycles.heap_marked_bytes.extend([heap.marked_bytes for heap in heaps])
    cycles.heap_goal_bytes.extend([heap.goal_bytes for heap in heaps])
    cycles.number.extend([row.number for row in rows])


def _encode_totals(totals: model_pb2.GcTotals, rows: Sequence[GcTotal], index: Mapping[ProcessKey, int]) -> None:
    totals.process.extend(_positions(rows, index))
    totals.cycles.extend([row.cycles for row in rows])
    totals.pauses.extend([row.pauses for row in rows])
    totals.gc_pause_ns.extend([row.gc_pause_ns for row in rows])


def _encode_costs(costs: model_pb2.ProbeCosts, rows: Sequence[ProbeCost], index: Mapping[ProcessKey, int]) -> None:
    costs.process.extend(_positions(rows, index))
    costs.probe_ns.extend([row.probe_ns for row in rows])
    costs.cpu_ns.extend([row.cpu_ns for row in rows])
    costs.target_ppm.extend([row.target_ppm for row in rows])
    costs.core_ppm.extend([row.core_ppm for row in rows])


def _encode_proofs(proofs: model_pb2.Proofs, rows: Sequence[ProofCount], index: Mapping[ProcessKey, int]) -> None:
    proofs.process.extend(_positions(rows, index))
    for name in PROOFS:
        getattr(proofs, name).extend([getattr(row, name) for row in rows])


def _encode_holders(holders: model_pb2.Holders, rows: Sequence[ProofCount], index: Mapping[ProcessKey, int]) -> None:
    held = [(row, holder) for row in rows for holder in row.held_by[:MAX_HOLDERS]]
    holders.process.extend(_positions([row for row, _ in held], index))
    holders.pc.extend([row.pc for row, _ in held])
    holders.path.extend(
        [model_pb2.Path(steps=[text(step) for step in holder.path[:MAX_PATH_STEPS]]) for _, holder in held]
    )
    holders.goroutines.extend([holder.goroutines for _, holder in held])


def _encode_searches(searches: model_pb2.Searches, rows: Sequence[Search], index: Mapping[ProcessKey, int]) -> None:
    searches.process.extend(_positions(rows, index))
    searches.searched_unix_nano.extend([row.searched_unix_nano for row in rows])
    searches.scans.extend([row.scans for row in rows])
    searches.undecided.extend([text(row.undecided) for row in rows])


def _encode_audit(events: model_pb2.AuditEvents, rows: Sequence[AuditEvent]) -> None:
    for name in AUDIT:
        values = [getattr(row, name) for row in rows]
        getattr(events, name).extend([text(value) if isinstance(value, str) else value for value in values])


def _positions(rows: Sequence[_Row], index: Mapping[ProcessKey, int]) -> list[int]:
    """Each row's process as an index. Rows of one process usually follow each other and share the key object."""
    positions: list[int] = []
    last: ProcessKey | None = None
    position = 0
    for row in rows:
        if row.process is not last:
            last = row.process
            if last not in index:
                raise ValueError(f"a row names process {last.pid}, which the observation does not hold")
            position = index[last]
        positions.append(position)
    return positions
