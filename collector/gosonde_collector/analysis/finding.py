"""A finding and its life: opened, growing, stable, resolved."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from gosonde_collector.analysis.causes import UNKNOWN, Cause
from gosonde_collector.analysis.growth import SECOND, Growth
from gosonde_collector.analysis.remedies import remedy
from gosonde_collector.analysis.witnesses import AGREES, DISAGREES, Witness
from gosonde_collector.evidence.model import Frame
from gosonde_collector.model import ProcessKey, Site
from gosonde_collector.store.records import FindingRecord, Series

OPENED, GROWING, STABLE, RESOLVED = "opened", "growing", "stable", "resolved"
#: A finding that still grows that long after it was opened is growing.
CONFIRM_NS: Final = 60 * SECOND
#: How sure growth over a window of so many seconds or more alone makes, at most 1.
CONFIDENCE: Final = {45: 0.6, 60: 0.65, 110: 0.7, 200: 0.75, 360: 0.8, 860: 0.85, 1_530: 0.9}
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


@dataclass(frozen=True, slots=True)
class Finding:
    """A site whose live count grew, or grows.

    Attributes:
        id: The same for one site of one process image, whenever and wherever it is computed.
        live: Created less exited since counting began.
        growth_per_second: 0 unless it grows now.
        first_seen_unix_nano: When the growth began.
        opened_unix_nano: When it was first found.
        grew_unix_nano: When it was last seen to grow.
        window_s: Over how many seconds it was last seen to grow.
        base: The live count when growth began.
        peak: The highest live count since.
        grown_confidence: The confidence at the time it was last seen to grow.
        cause_reason: What the cause was told from.
        stack: The stack that most of its goroutines have, innermost first.
        states: How many are in each state or wait for each reason.
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
    stack: tuple[Frame, ...] = ()
    states: tuple[tuple[str, int], ...] = ()

    def record(self, now_unix_nano: int) -> FindingRecord:
        """For the store."""
        return FindingRecord(self.id, now_unix_nano, json.dumps(asdict(self)))

    @classmethod
    def from_record(cls, record: FindingRecord) -> "Finding":
        """From the store."""
        values: dict[str, Any] = json.loads(record.document)
        values["process"] = ProcessKey(**values["process"])
        values["site"] = Site(**values["site"])
        values["witnesses"] = tuple(Witness(**witness) for witness in values["witnesses"])
        values["stack"] = tuple(Frame(**frame) for frame in values.get("stack", ()))
        values["states"] = tuple((state, count) for state, count in values.get("states", ()))
        return cls(**values)


def finding_id(host: str, process: ProcessKey, site: Site) -> str:
    """16 hexadecimal digits."""
    parts = (host, process.boot_id, process.pid, process.start_ticks, process.exec_epoch, site.build_id, site.pc)
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def grown(
    series: Series, growth: Growth, witnesses: tuple[Witness, ...], cause: Cause, previous: Finding | None
) -> Finding:
    """The finding of a site that grows now. A cause that was known stays so when the evidence for it is gone."""
    now = series.until_unix_nano
    live = int(series.live[-1])
    again = previous if previous and previous.state != RESOLVED else None
    opened = again.opened_unix_nano if again else now
    confidence = judge(growth, witnesses)
    first_seen = min(again.first_seen_unix_nano, growth.since_unix_nano) if again else growth.since_unix_nano
    found = Finding(
        id=finding_id(series.host, series.process.key, series.site),
        state=GROWING if now - opened >= CONFIRM_NS else OPENED,
        confidence=confidence,
        cause=UNKNOWN,
        remedy=remedy(Cause(), series.site),
        host=series.host,
        process=series.process.key,
        exe=series.process.exe,
        site=series.site,
        live=live,
        growth_per_second=growth.slope.middle,
        first_seen_unix_nano=first_seen,
        opened_unix_nano=opened,
        grew_unix_nano=now,
        window_s=growth.window_s,
        base=again.base if again else int(series.live.min()),
        peak=max(live, again.peak if again else live),
        grown_confidence=confidence,
        witnesses=witnesses,
    )
    return with_cause(found, cause, again)


def with_cause(finding: Finding, cause: Cause, previous: Finding | None) -> Finding:
    """The finding with the cause, or, when that is unknown, with what was said before."""
    if previous and previous.cause != UNKNOWN and cause.name == UNKNOWN:
        return replace(
            finding,
            cause=previous.cause,
            remedy=previous.remedy,
            cause_reason=previous.cause_reason,
            stack=previous.stack,
            states=previous.states,
        )
    return replace(
        finding,
        cause=cause.name,
        remedy=remedy(cause, finding.site),
        cause_reason=cause.reason,
        stack=cause.stack,
        states=cause.states,
    )


def not_grown(finding: Finding, series: Series, witnesses: tuple[Witness, ...]) -> Finding:
    """What becomes of a finding whose site does not grow now: growing still for a while, then stable or resolved."""
    live = int(series.live[-1])
    finding = replace(finding, live=live, peak=max(live, finding.peak), site=series.site)
    if live <= finding.peak - FALLEN * (finding.peak - finding.base):
        return resolved(replace(finding, witnesses=witnesses))
    if series.until_unix_nano - finding.grew_unix_nano <= finding.window_s * SECOND:
        return finding
    return replace(
        finding,
        state=STABLE,
        growth_per_second=0.0,
        confidence=round(finding.grown_confidence * STOPPED, 2),
        witnesses=witnesses,
    )


def resolved(finding: Finding) -> Finding:
    """The finding, over because the goroutines went away."""
    return replace(finding, state=RESOLVED, growth_per_second=0.0)


def ended(finding: Finding) -> Finding:
    """The finding, over because its process ended, and with it every goroutine."""
    return replace(resolved(finding), live=0)


def judge(growth: Growth, witnesses: tuple[Witness, ...]) -> float:
    """The confidence, from 0 to 1, rounded to two digits."""
    sure = max(c for window, c in CONFIDENCE.items() if window <= growth.window_s) + (
        0.0 if growth.exited else NO_EXITS
    )
    for witness in witnesses:
        if witness.name != "events" and witness.verdict == AGREES:
            sure += (1 - sure) * (PROVING if witness.strong else AGREEING)
        elif witness.name != "events" and witness.verdict == DISAGREES:
            sure *= DISAGREEING
    return round(sure, 2)
