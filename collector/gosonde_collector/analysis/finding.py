"""A finding and its life: opened, growing, stable, resolved, or withdrawn."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar

from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.http import HostSeen
from gosonde_common.values.labels import LabelShare

from gosonde_collector.analysis.cause_names import UNKNOWN
from gosonde_collector.analysis.causes import Cause, Work
from gosonde_collector.analysis.growth import Growth
from gosonde_collector.analysis.numbers import Numbers
from gosonde_collector.analysis.persistence import Persistence, turns_over
from gosonde_collector.analysis.proofs import rise_per_second
from gosonde_collector.analysis.remedies import remedy
from gosonde_collector.analysis.shape import since, swings
from gosonde_collector.analysis.steps import SECOND, Steps
from gosonde_collector.analysis.witnesses import AGREES, DISAGREES, SILENT, Witness
from gosonde_collector.evidence.model import Frame
from gosonde_collector.model.values import Holder, ProcessKey, Site, SiteProof
from gosonde_collector.store.records import FindingRecord, Series, TimersName

OPENED, GROWING, STABLE, RESOLVED, WITHDRAWN = "opened", "growing", "stable", "resolved", "withdrawn"
#: States of findings that are over.
OVER: Final = frozenset({RESOLVED, WITHDRAWN})
#: A finding that still grows that long after it was opened is growing.
CONFIRM_NS: Final = 60 * SECOND
#: How sure growth over a window of so many seconds or more alone makes, at most 1.
CONFIDENCE: Final = {45: 0.3, 60: 0.35, 110: 0.4, 200: 0.45, 360: 0.8, 860: 0.85, 1_530: 0.9}
#: The most it can be of what may be clients that arrive (Growth.stays), unless the runtime itself proves more.
RISING: Final = 0.5
#: Added when not one goroutine of the site exited meanwhile.
NO_EXITS: Final = 0.05
#: What a further witness that agrees takes off the doubt; what one that disagrees leaves of the confidence.
AGREEING, DISAGREEING = 0.5, 0.4
#: What the runtime's own proof takes off the doubt.
PROVING: Final = 0.9
#: What is left of the confidence of a finding that stopped growing.
STOPPED: Final = 0.6
#: A finding is resolved when the live count has fallen back by this share of its rise.
FALLEN: Final = 0.5
#: What became of a count that grew: it stays, it fell, it rose and fell several times, or others took their place.
PLATEAU, BURST, BATCH, TURNOVER = "plateau", "burst", "batch", "turnover"
SEVERAL: Final = 2
#: A process that takes another's place may seem to have begun that long before that one's last observation.
CLOCKS_NS: Final = 5 * SECOND
Shown = TypeVar("Shown")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What every kind of evidence says of a site at one time; labels and hosts are None where no snapshot says them."""

    witnesses: tuple[Witness, ...]
    cause: Cause
    persistence: Persistence | None = None
    proof: SiteProof | None = None
    labels: tuple[LabelShare, ...] | None = None
    hosts: tuple[HostSeen, ...] | None = None


@dataclass(frozen=True, slots=True)
class TimersFound:
    """The newest reading of the timers that a finding is about.

    Attributes:
        name: What they have in common.
        pending: All of that name, also those that are due soon and are no part of the finding.
        next_in_ns: Until the first of all is due, when they were read.
        period_ns: The shortest of those that repeat; None where they fire once.
        retained_heap_bytes: What all keep alive at least; None where the heap was not read.
        is_estimated: There are so many that only some were read.
    """

    name: TimersName
    pending: int = 0
    next_in_ns: int = 0
    period_ns: int | None = None
    retained_heap_bytes: int | None = None
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A site whose live count grew, or grows; or a group of pending timers, which then are what lives.

    Attributes:
        id: The same for one site of one build on one host, from process to process that takes the place of another.
        live: Goroutines that live, as the events have them.
        growth_per_second: 0 unless it grows now.
        first_seen_unix_nano: When the growth began.
        opened_unix_nano: When it was first found.
        grew_unix_nano: When it was last seen to grow.
        window_s: Over how many seconds it was last seen to grow.
        base: The live count when growth began.
        peak: The highest live count since.
        grown_confidence: The confidence at the time it was last seen to grow.
        cause_reason: What the cause was inferred from.
        stacks: Stacks that stand for its goroutines, with how many have each; see Cause.
        states: How many are in each state or wait for each reason.
        oldest_wait_s: The longest wait among them, in seconds, as far as the runtime has noted it.
        pattern: How the live count goes: Growth.shape while it grows, afterwards PLATEAU, BURST, BATCH or TURNOVER.
        restarts: How often the process that leaked ended and another one leaks in its place.
        ended: The process ended, and the finding with it.
        persistence: Whether goroutines stayed from one snapshot to another; None without two of them.
        waits_in: The function of the program in which its goroutines wait; empty when no snapshot shows it.
        works: What its goroutines run, when that is more than one function; see Cause.
        proof: What the newest search of the process's memory that named the site found of it.
        is_estimated: Numbers of stacks and works are estimates; see Cause.
        timers: Of which timers it is; None where it is of goroutines.
        container: That of its process.
        hosts: To whom its process has HTTP connections, if the cause is about those; as `labels`.
        labels: Labels that stand out among its goroutines, as the newest snapshot has them that says anything of them.
    """

    id: str
    state: str
    confidence: float
    cause: str
    remedy: str
    host: str
    process: ProcessKey
    exe: str
    site: Site
    live: int
    growth_per_second: float
    first_seen_unix_nano: int
    opened_unix_nano: int
    grew_unix_nano: int
    window_s: int
    base: int
    peak: int
    grown_confidence: float
    witnesses: tuple[Witness, ...]
    cause_reason: str = ""
    stacks: tuple[tuple[int, tuple[Frame, ...]], ...] = ()
    states: tuple[tuple[str, int], ...] = ()
    oldest_wait_s: int = 0
    pattern: str = ""
    restarts: int = 0
    ended: bool = False
    persistence: Persistence | None = None
    waits_in: str = ""
    works: tuple[Work, ...] = ()
    proof: SiteProof | None = None
    timers: TimersFound | None = None
    container: Container = NO_CONTAINER
    labels: tuple[LabelShare, ...] = ()
    is_estimated: bool = False
    hosts: tuple[HostSeen, ...] = ()

    @property
    def service(self) -> str:
        """The name of the executable without its folders."""
        return PurePosixPath(self.exe).name

    def record(self, now_unix_nano: int) -> FindingRecord:
        """For the store."""
        return FindingRecord(self.id, now_unix_nano, json.dumps(asdict(self)))

    @classmethod
    def from_record(cls, record: FindingRecord) -> "Finding":
        """From the store."""
        values: dict[str, Any] = json.loads(record.document)
        values["process"] = ProcessKey(**values["process"])
        values["site"] = Site(**values["site"])
        values["witnesses"] = tuple(map(_witness, values["witnesses"]))
        values["stacks"] = tuple((n, tuple(Frame(**frame) for frame in s)) for n, s in values.get("stacks", ()))
        values.pop("stack", None)  # what older collectors wrote
        values["states"] = tuple((state, count) for state, count in values.get("states", ()))
        values["works"] = tuple(Work(**work) for work in values.get("works", ()))
        values["labels"] = tuple(LabelShare(**share) for share in values.get("labels", ()))
        values["hosts"] = tuple(HostSeen(**host) for host in values.get("hosts", ()))
        values["proof"] = _proof(found) if (found := values.get("proof")) else None
        values["timers"] = _timers(found) if (found := values.get("timers")) else None
        values["container"] = Container(**values.get("container", {}))
        values["persistence"] = Persistence(**kept) if (kept := values.get("persistence")) else None
        return cls(**values)


def _witness(values: dict[str, Any]) -> Witness:
    numbers = Numbers(**found) if (found := values.get("numbers")) else None
    return Witness(**{**values, "numbers": numbers})


def _proof(values: dict[str, Any]) -> SiteProof:
    held_by = (Holder(tuple(holder["path"]), holder["goroutines"]) for holder in values["held_by"])
    return SiteProof(**{**values, "held_by": tuple(held_by)})


def _timers(values: dict[str, Any]) -> TimersFound:
    return TimersFound(**{**values, "name": TimersName(*values["name"])})


def finding_id(host: str, process: ProcessKey, site: Site, timers: TimersName | None = None) -> str:
    """16 hexadecimal digits."""
    of = (host, process.boot_id, process.pid, process.start_ticks, process.exec_epoch, site.build_id, site.pc)
    parts = (*of, *timers) if timers else of
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class _Rise:
    per_second: float
    since_unix_nano: int
    window_s: int
    pattern: str


def grown(series: Series, growth: Growth, evidence: Evidence, previous: Finding | None) -> Finding:
    """The finding of a site that grows now. A cause that was known stays so when the evidence for it is gone.

    `previous` is the site's in the same process, or in one that ended before this one began.
    """
    rise = _Rise(growth.slope.middle, growth.since_unix_nano, growth.window_s, growth.shape)
    return _found(series, rise, judge(growth, evidence.witnesses), evidence, previous)


def proved(series: Series, growth: Growth | None, evidence: Evidence, previous: Finding | None) -> Finding:
    """As `grown`, of a site that is proved to leak, whether it grows or not."""
    if growth:
        return grown(series, growth, evidence, previous)
    per_second, steps = rise_per_second(series), Steps.of(series)
    rise = _Rise(per_second, since(steps), 0, "" if per_second else PLATEAU)
    found = _found(series, rise, judge(None, evidence.witnesses), evidence, previous)
    # Those that are proved came without a base below them being known: they may all have lived when counting began.
    leaked = evidence.proof.proved if evidence.proof else 0
    found = replace(found, base=min(found.base, found.live - leaked))
    if per_second or not previous or found.process != previous.process:
        return found
    state = STABLE if found.state == GROWING else found.state
    return replace(found, state=state, grew_unix_nano=previous.grew_unix_nano)


def _found(series: Series, rise: _Rise, confidence: float, evidence: Evidence, previous: Finding | None) -> Finding:
    now = series.until_unix_nano
    live = int(series.live[-1])
    witnesses = evidence.witnesses
    again = previous if previous and (previous.state not in OVER or previous.ended) else None
    counted = again if again and not again.ended else None
    opened = again.opened_unix_nano if again else now
    first_seen = min(again.first_seen_unix_nano, rise.since_unix_nano) if again else rise.since_unix_nano
    found = Finding(
        id=previous.id if previous else finding_id(series.host, series.process.key, series.site, series.timers),
        state=GROWING if now - opened >= CONFIRM_NS else OPENED,
        confidence=confidence,
        cause=UNKNOWN,
        remedy=remedy(Cause(), series.site),
        host=series.host,
        process=series.process.key,
        exe=series.process.exe,
        site=series.site,
        live=live,
        growth_per_second=rise.per_second,
        first_seen_unix_nano=first_seen,
        opened_unix_nano=opened,
        grew_unix_nano=now,
        window_s=rise.window_s,
        base=counted.base if counted else int(series.live.min()),
        peak=max(live, counted.peak if counted else live),
        grown_confidence=confidence,
        witnesses=witnesses,
        pattern=rise.pattern,
        restarts=previous.restarts + (previous.process != series.process.key) if previous else 0,
        persistence=evidence.persistence,
        proof=evidence.proof,
        container=series.process.container,
        labels=_seen(evidence.labels, again.labels if again else ()),
        hosts=_seen(evidence.hosts, again.hosts if again else ()),
    )
    return with_cause(found, evidence.cause, again)


def _seen(now: tuple[Shown, ...] | None, before: tuple[Shown, ...]) -> tuple[Shown, ...]:
    """What a snapshot of now shows, or that of before where none says anything."""
    return before if now is None else now


def with_cause(finding: Finding, cause: Cause, previous: Finding | None) -> Finding:
    """The finding with the cause, or, when that is unknown, with what was said before."""
    if previous and previous.cause != UNKNOWN and cause.name == UNKNOWN:
        return replace(
            finding,
            cause=previous.cause,
            remedy=previous.remedy,
            cause_reason=previous.cause_reason,
            stacks=previous.stacks,
            states=previous.states,
            oldest_wait_s=previous.oldest_wait_s,
            waits_in=previous.waits_in,
            works=previous.works,
            is_estimated=previous.is_estimated,
        )
    return replace(
        finding,
        cause=cause.name,
        remedy=remedy(cause, finding.site),
        cause_reason=cause.reason,
        stacks=cause.stacks,
        states=cause.states,
        oldest_wait_s=cause.oldest_wait_s,
        waits_in=cause.waits_in,
        works=cause.works,
        is_estimated=cause.is_estimated,
    )


def succeeds(found: Finding, series: Series) -> bool:
    """Whether a finding ended with its process, and the series is the same site's in one that began afterwards."""
    name = found.timers.name if found.timers else None
    same = (found.host, found.exe, found.site.build_id, found.site.pc, name) == (
        series.host,
        series.process.exe,
        series.site.build_id,
        series.site.pc,
        series.timers,
    )
    return found.ended and same and found.grew_unix_nano <= series.process.started_unix_nano + CLOCKS_NS


def not_grown(finding: Finding, series: Series, evidence: Evidence) -> Finding:
    """What becomes of a finding whose site does not grow now: growing still for a while, then stable or resolved."""
    witnesses = evidence.witnesses
    live = int(series.live[-1])
    proof = evidence.proof or finding.proof
    labels, hosts = _seen(evidence.labels, finding.labels), _seen(evidence.hosts, finding.hosts)
    finding = replace(finding, live=live, peak=max(live, finding.peak), site=series.site, proof=proof)
    finding = replace(finding, container=series.process.container, labels=labels, hosts=hosts)
    if live <= finding.peak - FALLEN * (finding.peak - finding.base):
        pattern = BATCH if swings(series.live) >= SEVERAL else BURST
        return resolved(replace(finding, witnesses=witnesses, pattern=pattern))
    if series.until_unix_nano - finding.grew_unix_nano <= finding.window_s * SECOND:
        return finding
    if evidence.persistence and turns_over(series, evidence.persistence):
        return resolved(replace(finding, witnesses=witnesses, pattern=TURNOVER, persistence=evidence.persistence))
    return replace(
        finding,
        state=STABLE,
        growth_per_second=0.0,
        confidence=round(finding.grown_confidence * STOPPED, 2),
        witnesses=witnesses,
        pattern=PLATEAU,
        persistence=evidence.persistence,
    )


def resolved(finding: Finding) -> Finding:
    """The finding, over because the goroutines went away."""
    return replace(finding, state=RESOLVED, growth_per_second=0.0)


def withdrawn(finding: Finding, series: Series, witnesses: tuple[Witness, ...]) -> Finding:
    """The finding, over because the events that it rests on are contradicted."""
    live = int(series.live[-1])
    return replace(
        finding,
        state=WITHDRAWN,
        growth_per_second=0.0,
        confidence=0.0,
        live=live,
        site=series.site,
        witnesses=witnesses,
    )


def ended(finding: Finding) -> Finding:
    """The finding, over because its process ended, and with it every goroutine."""
    return replace(resolved(finding), live=0, ended=True)


def judge(growth: Growth | None, witnesses: tuple[Witness, ...]) -> float:
    """The confidence, from 0 to 1, rounded to two digits; without growth a proof alone makes it."""
    sure = _by_growth(growth) if growth else 0.0
    shown_by = _shown_by(witnesses) if growth else ""
    for witness in witnesses:
        if witness.name not in {"events", shown_by} and witness.verdict == AGREES:
            sure += (1 - sure) * (PROVING if witness.strong else AGREEING)
        elif witness.name != "events" and witness.verdict == DISAGREES:
            sure *= DISAGREEING
    is_proved = any(witness.strong and witness.verdict == AGREES for witness in witnesses)
    return round(sure if is_proved or not growth or growth.stays else min(sure, RISING), 2)


def _shown_by(witnesses: tuple[Witness, ...]) -> str:
    """Which witness shows the growth, and so is no further one: memory, where the events can say nothing."""
    silent = any(witness.name == "events" and witness.verdict == SILENT for witness in witnesses)
    return "memory" if silent else "events"


def _by_growth(growth: Growth) -> float:
    sure = max(c for window, c in CONFIDENCE.items() if window <= growth.window_s)
    return sure if growth.exited else sure + NO_EXITS
