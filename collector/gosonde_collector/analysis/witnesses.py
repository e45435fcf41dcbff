"""What each kind of evidence says of a site that grows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from gosonde_collector.analysis.growth import Growth
from gosonde_collector.analysis.matching import Count, count_goroutines
from gosonde_collector.analysis.numbers import LEAKED as LEAKED_GOROUTINES
from gosonde_collector.analysis.numbers import LIVE, Numbers
from gosonde_collector.analysis.steps import SECOND, Steps
from gosonde_collector.evidence.model import CUT, LEAK, LEAKED, GoroutineProfile
from gosonde_collector.model.values import Site
from gosonde_collector.store.records import Series, Snapshot

AGREES, DISAGREES, SILENT = "agrees", "disagrees", "silent"
#: A snapshot is older than the newest observation by no more than this, in nanoseconds.
MAX_AGE_NS: Final = 600 * SECOND
#: A snapshot's time and an observation's may differ by this much: two clocks, and the time until the next observation.
TIMING_NS: Final = 3 * SECOND
#: Two counts of the same goroutines agree when they differ by no more than this share, or this many.
TOLERANCE: Final = 0.10
TOLERANCE_MIN: Final = 5

#: Said where the witness cannot be had.
NOT_COUNTED: Final = "nothing is counted: the agent may place no probes on this host"
#: Said where the agent has not given the reason.
ASK_DOCTOR: Final = "`gosonde doctor` there says why"
#: Said of growth that may be clients that arrive.
NOT_KNOWN: Final = "too early to know whether they stay"


@dataclass(frozen=True, slots=True)
class Witness:
    """One kind of evidence: "events", "memory", "pprof", "proof" or "gctrace".

    Attributes:
        detail: The numbers in a sentence.
        strong: It is no count that fits, but a proof: the runtime's own, or a search's of the process's memory.
        numbers: What it shows, and what the counters showed; None where it has none.
    """

    name: str
    verdict: str
    detail: str
    strong: bool = False
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The newest profile of each kind that shows goroutines, None where there is none; `leaked` is goroutineleak's."""

    memory: Snapshot | None
    pprof: Snapshot | None
    leaked: Snapshot | None = None

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        return any((self.memory, self.pprof, self.leaked))


def counting_witnesses(
    series: Series, growth: Growth | None, newest: Snapshots, others: Sequence[Site], *, no_probes_because: str
) -> tuple[Witness, ...]:
    """The witnesses that count goroutines, in their fixed order; the reason is what the host's agent gave, if any."""
    return (
        events(series, growth, no_probes_because),
        counted("memory", "no goroutines of this process were read from memory", series, newest.memory, others),
        proved(series, newest.leaked, others)
        or proved(series, newest.pprof, others)
        or counted("pprof", "no snapshot of this process was pushed", series, newest.pprof, others),
    )


def proved(series: Series, snapshot: Snapshot | None, others: Sequence[Site]) -> Witness | None:
    """The runtime's proof (runtime.gcGoroutineLeaks, Go 1.26+) that goroutines of the site wait for ever.

    None when it names none of them: leaks that a global variable reaches, or that poll, are never among them.
    """
    if snapshot is None or not usable(series, snapshot):
        return None
    shown = count_goroutines(_leaked(snapshot.profile), series.site, others)
    if not shown.least:
        return None
    age = max(series.until_unix_nano - snapshot.taken_unix_nano, 0) / SECOND
    return Witness(
        "pprof",
        AGREES,
        f"{age:.0f} s ago the runtime itself found that {shown.least} goroutines {shown.how} wait for ever",
        strong=True,
        numbers=_beside(LEAKED_GOROUTINES, shown, *live_around(series, snapshot.taken_unix_nano), snapshot),
    )


def _leaked(profile: GoroutineProfile) -> GoroutineProfile:
    """The goroutines of which the runtime says that they leaked."""
    if profile.kind == LEAK:
        return profile
    return replace(profile, groups=tuple(group for group in profile.groups if group.state.endswith(LEAKED)))


def events(series: Series, growth: Growth | None, no_probes_because: str = "") -> Witness:
    """The counters: they agree while they show growth, and are silent where nothing is counted."""
    if series.process.has_no_probes:
        return Witness("events", SILENT, _not_counted(growth, no_probes_because))
    live = max(int(series.live[-1]), 0)
    numbers = Numbers(LIVE, series.until_unix_nano, counted_low=live, counted_high=live)
    all_created, all_exited = Steps.of(series).totals
    totals = f"since counting began {all_created} created and {all_exited} exited"
    if not growth:
        return Witness("events", DISAGREES, f"{totals}; the live count does not grow now", numbers=numbers)
    created, exited = growth.turnover or (growth.created, growth.exited)
    recent = f"in the last {growth.window_s} s {created} created and {exited} exited"
    return Witness("events", AGREES, f"{recent}: {_rise(growth)}; {totals}", numbers=numbers)


def _rise(growth: Growth) -> str:
    slope = growth.slope
    known = "" if growth.stays else f", {NOT_KNOWN}"
    return (
        f"at least {growth.grown} more live, growing by {slope.middle:.3g} per second "
        f"({slope.low:.3g} to {slope.high:.3g}), pattern {growth.shape}{known}"
    )


def _not_counted(growth: Growth | None, because: str) -> str:
    seen = f"in the last {growth.window_s} s {_rise(growth)}" if growth else "the live count does not grow now"
    return f"{NOT_COUNTED} ({because or ASK_DOCTOR}); readings of memory show: {seen}"


def counted(name: str, missing: str, series: Series, snapshot: Snapshot | None, others: Sequence[Site]) -> Witness:
    """A snapshot of goroutines against the live count at its time."""
    if snapshot is None:
        return Witness(name, SILENT, missing)
    age = series.until_unix_nano - snapshot.taken_unix_nano
    if age > MAX_AGE_NS or snapshot.taken_unix_nano + TIMING_NS < series.unix_nano[0]:
        return Witness(name, SILENT, f"the newest snapshot is {age / SECOND:.0f} s old: too old")
    if -age > MAX_AGE_NS:
        return Witness(name, SILENT, f"the newest snapshot is dated {-age / SECOND:.0f} s in the future")
    shown = count_goroutines(snapshot.profile, series.site, others)
    low, high = live_around(series, snapshot.taken_unix_nano)
    verdict = _compare(shown, low, high, series)
    if snapshot.profile.format == CUT and shown.most < low:
        verdict = SILENT  # The goroutines that it lacks may be behind the cut.
    numbers = _beside(LIVE, shown, low, high, snapshot)
    return Witness(name, verdict, _detail(shown, low, high, series, snapshot), numbers=numbers)


def _beside(what: str, shown: Count, low: int, high: int, snapshot: Snapshot) -> Numbers:
    return Numbers(what, snapshot.taken_unix_nano, shown.least, shown.most, low, high)


def usable(series: Series, snapshot: Snapshot) -> bool:
    """Whether the snapshot is of the time that the series covers, and not too old."""
    age = series.until_unix_nano - snapshot.taken_unix_nano
    return abs(age) <= MAX_AGE_NS and snapshot.taken_unix_nano + TIMING_NS >= series.unix_nano[0]


def live_around(series: Series, unix_nano: int) -> tuple[int, int]:
    """The lowest and the highest live count within TIMING_NS of a moment."""
    moments = np.linspace(unix_nano - TIMING_NS, unix_nano + TIMING_NS, 13).astype(np.int64)
    live = Steps.of(series).live_at(moments)
    return max(int(live.min()), 0), max(int(live.max()), 0)


def _compare(shown: Count, low: int, high: int, series: Series) -> str:
    fewest = low - max(TOLERANCE_MIN, TOLERANCE * low)
    most = high + max(TOLERANCE_MIN, TOLERANCE * high)
    if shown.most < fewest:
        return DISAGREES
    if not series.process.counted_from_start:
        # The snapshot also shows goroutines that are older than the counting.
        return AGREES if shown.least >= fewest else SILENT
    if shown.least > most:
        return DISAGREES
    return AGREES if shown.least >= fewest else SILENT


def _detail(shown: Count, low: int, high: int, series: Series, snapshot: Snapshot) -> str:
    age_ns = series.until_unix_nano - snapshot.taken_unix_nano
    number = str(shown.least) if shown.least == shown.most else f"{shown.least} to {shown.most}"
    live = str(low) if low == high else f"{low} to {high}"
    by = "readings of memory" if series.process.has_no_probes else "the counters"
    return (
        f"the {snapshot.profile.format} snapshot, {max(age_ns, 0) / SECOND:.0f} s old, shows {number} goroutines "
        f"{shown.how}; {by} showed {live} live then"
    )
