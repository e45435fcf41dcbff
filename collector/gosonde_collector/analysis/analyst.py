"""Keeps the findings up to date: reads the store, judges each site, remembers what was found."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import NotFoundError
from gosonde_common.values.labels import LabelShare

from gosonde_collector.analysis import finding, gctraces, proofs, stories
from gosonde_collector.analysis.cause_names import UNKNOWN
from gosonde_collector.analysis.causes import Cause, classify
from gosonde_collector.analysis.finding import OVER, Evidence, Finding
from gosonde_collector.analysis.freshness import Freshness
from gosonde_collector.analysis.gctraces import GcTraces
from gosonde_collector.analysis.growth import Growth, find_growth
from gosonde_collector.analysis.http_hosts import hosts_of
from gosonde_collector.analysis.label_shares import standing_out
from gosonde_collector.analysis.mutes import Mutes
from gosonde_collector.analysis.persistence import (
    Persistence,
    persistence,
    served,
    weighed,
)
from gosonde_collector.analysis.reconciliation import contradicted, contradiction
from gosonde_collector.analysis.snapshot_cache import SnapshotCache
from gosonde_collector.analysis.steps import SECOND, Steps
from gosonde_collector.analysis.survey import Place, Survey
from gosonde_collector.analysis.timer_findings import TimerFindings
from gosonde_collector.analysis.witnesses import (
    Snapshots,
    Witness,
    counting_witnesses,
    usable,
)
from gosonde_collector.evidence.model import LEAK
from gosonde_collector.model.no_probes import NoProbes
from gosonde_collector.model.values import ProcessFilter, ProcessKey
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Series, Snapshot

log = structlog.get_logger(__name__)

#: A finding that only its numbers changed of is stored again after this time.
SAVE_NS: Final = 60 * SECOND


class Analyst:
    """Judges on demand, in one thread at a time; any thread may read the findings meanwhile.

    Attributes:
        traces: The gctrace logs that were given.
        mutes: Which findings somebody has muted.
        no_probes: Why hosts have no probes.
        timers: Finds what is pending and becomes more.
        freshness: How old the findings are.
        parts: For each finding that is part of another's story, by id, the id of that one.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._survey = Survey(store)
        self._alone = self._survey.alone
        self._cache = SnapshotCache(store)
        self.traces = GcTraces()
        self.mutes = Mutes(store)
        self.no_probes = NoProbes()
        self.timers = TimerFindings(store, self._alone)
        self.freshness = Freshness()
        self._findings: dict[str, Finding] = {}
        for record in store.findings():
            with self._alone.step("read a finding", record.id):
                self._findings[record.id] = Finding.from_record(record)
        self._saved: dict[str, tuple[str, int]] = {}
        self.parts: dict[str, str] = {}

    def findings(self, which: ProcessFilter) -> list[Finding]:
        """As of the last run: the unresolved first, the fastest first."""
        chosen = [
            found for found in self._findings.values() if which.has(found.host, found.process.pid, found.container)
        ]
        return sorted(chosen, key=lambda found: (found.state in OVER, -found.growth_per_second, -found.live))

    def finding(self, finding_id: str) -> Finding:
        """The one of an id. Raises NotFoundError: there is none."""
        for found in self._findings.values():
            if found.id == finding_id:
                return found
        raise NotFoundError(f"there is no finding {finding_id}; `gosonde findings` lists those that there are")

    @property
    def passed_over(self) -> int:
        """Totals of sites that were not examined, because their process has too many."""
        return self._survey.passed_over

    @property
    def failures(self) -> int:
        """Steps that were left out for one site or process, because they failed."""
        return self._alone.failures

    def run(self) -> None:
        """Judges again every site that may grow, and stores what changed; a site that cannot be judged stays as it was.

        Raises:
            StoreError: The store failed.
        """
        self._cache.open()
        failed: set[Place] = set()
        updated = list(self._judged(self._survey.suspects(), failed))
        updated += self._revisited({found.id for found in updated}, failed)
        updated += self.timers.update(self._findings.values())
        self._findings = {**self._findings, **{found.id: found for found in updated}}
        with self._alone.step("join stories", "all findings"):
            self.parts = stories.leads(list(self._findings.values()))
        self._save(updated)
        self.freshness.renew()

    def beginning(self, wanted: Callable[[tuple[str, ProcessKey]], bool]) -> list[tuple[str, ProcessKey]]:
        """Of the processes asked for, those some site of which seemed to begin to grow at the last run, or was proved
        to leak for a cause that is not known."""
        found = [place for place in self._proved_without_cause() if wanted(place)]
        return list(dict.fromkeys(found + self._survey.beginning(wanted)))

    def _proved_without_cause(self) -> list[tuple[str, ProcessKey]]:
        return [
            (found.host, found.process)
            for found in self._findings.values()
            if found.state not in OVER
            and found.cause == UNKNOWN
            and found.proof
            and found.proof.proved >= proofs.FEWEST
        ]

    def open(self) -> list[tuple[str, ProcessKey]]:
        """The processes that have a finding of goroutines which is not over."""
        found = (one for one in self._findings.values() if one.state not in OVER and not one.timers)
        return list({(one.host, one.process): None for one in found})

    def forget(self, before_unix_nano: int) -> None:
        """Drops findings that are over and did not grow since."""
        self._findings = {
            found.id: found
            for found in self._findings.values()
            if found.state not in OVER or found.grew_unix_nano >= before_unix_nano
        }
        self._saved = {key: saved for key, saved in self._saved.items() if key in self._findings}

    def _judged(self, suspects: Iterable[Series], failed: set[Place]) -> Iterator[Finding]:
        """What grows; `failed` gets the places that could not be judged."""
        for series in suspects:
            place = series.host, series.process.key, series.site.pc
            failed.add(place)
            with self._alone.step("judge a site", place):
                judged = self._judge(series)
                failed.remove(place)
                if judged:
                    yield judged

    def _judge(self, series: Series) -> Finding | None:
        growth = find_growth(Steps.of(series))
        proof = proofs.of_site(series, self._survey.search_of(series))
        is_proved = proofs.is_leak(series, proof)
        if not growth and not is_proved:
            return None
        previous, evidence = self._previous(series), self._evidence(series, growth)
        if is_proved or not growth:
            return finding.proved(series, growth, evidence, previous)
        doubt = contradiction(series, growth.grown)
        if not doubt:
            return finding.grown(series, growth, evidence, previous)
        if previous and previous.state not in OVER:
            return _withdrawn(previous, series, evidence, doubt)
        return None

    def _previous(self, series: Series) -> Finding | None:
        """The site's finding in this process, or in one that ended before this one began."""
        place = (series.host, series.process.key, series.site.pc)
        sites = (found for found in self._findings.values() if not found.timers)
        here = [found for found in sites if (found.host, found.process, found.site.pc) == place]
        before = [found for found in self._findings.values() if finding.succeeds(found, series)]
        return max(here or before, key=lambda found: found.grew_unix_nano, default=None)

    def _revisited(self, grown: set[str], failed: set[Place]) -> Iterator[Finding]:
        """What becomes of findings that are not over and are not seen to grow now; nothing is known of those failed."""
        places = {
            found.id: (found.host, found.process, found.site.pc)
            for found in self._findings.values()
            if found.id not in grown and found.state not in OVER and not found.timers
        }
        series = self._survey.sites(places.values())
        for number, place in places.items():
            if place not in failed:
                with self._alone.step("revisit a finding", number):
                    yield self._rested(self._findings[number], series.get(place))

    def _rested(self, found: Finding, series: Series | None) -> Finding:
        if series is None:
            return finding.ended(found)
        evidence = self._evidence(series, None)
        if doubt := contradiction(series, found.peak - found.base):
            return _withdrawn(found, series, evidence, doubt)
        return finding.not_grown(found, series, evidence)

    def _evidence(self, series: Series, growth: Growth | None) -> Evidence:
        place = series.host, series.process.key
        newest = Snapshots(
            self._cache.newest(*place, from_memory=True),
            self._cache.newest(*place, from_memory=False),
            self._cache.newest(*place, from_memory=False, kind=LEAK),
        )
        others = self._survey.sites_beside(series) if newest.any else ()
        traced = gctraces.witness(series, growth, self.traces.of(*place))
        kept = self._persistence(series, newest)
        because = self.no_probes.because(series.host)
        counting = counting_witnesses(series, growth, newest, others, no_probes_because=because)
        counted = (weighed(witness, series, kept) for witness in counting)
        cause = _cause(series, growth, (newest.memory, newest.pprof), served(series, kept))
        search = self._survey.search_of(series)
        if proofs.is_leak(series, proofs.of_site(series, search)):
            counted = (proofs.early(witness, series) for witness in counted)
        witnesses = (*counted, proofs.witness(series, search), traced)
        labels = _labels(series, (newest.memory, newest.pprof))
        memory = newest.memory if newest.memory is not None and usable(series, newest.memory) else None
        hosts = hosts_of(memory, cause.name)
        return Evidence(witnesses, cause, kept, proofs.of_site(series, search), labels, hosts)

    def _persistence(self, series: Series, newest: Snapshots) -> Persistence | None:
        """As far as snapshots that are not too old show."""
        for witness, latest in (("memory", newest.memory), ("pprof", newest.pprof)):
            if latest is not None and usable(series, latest):
                from_memory = latest is newest.memory
                before = self._cache.earlier(series.host, series.process.key, from_memory=from_memory)
                if found := persistence(witness, series.site, before, latest):
                    return found
        return None

    def _save(self, updated: list[Finding]) -> None:
        now = steady_unix_nano()
        due = [found for found in updated if self._is_due(found, now)]
        self._store.save_findings([found.record(now) for found in due])
        self._saved.update({found.id: (found.state, now) for found in due})

    def _is_due(self, found: Finding, now: int) -> bool:
        state, saved = self._saved.get(found.id, ("", 0))
        return state != found.state or now - saved >= SAVE_NS


def _withdrawn(found: Finding, series: Series, evidence: Evidence, doubt: Witness) -> Finding:
    log.warning("finding withdrawn", finding=found.id, host=found.host, pid=found.process.pid, reason=doubt.detail)
    return finding.withdrawn(found, series, contradicted(evidence.witnesses, doubt))


def _labels(series: Series, snapshots: Iterable[Snapshot | None]) -> tuple[LabelShare, ...] | None:
    """What the first snapshot says that says anything."""
    said = (standing_out(s, series.site) for s in snapshots if s is not None and usable(series, s))
    return next((labels for labels in said if labels is not None), None)


def _cause(series: Series, growth: Growth | None, snapshots: Iterable[Snapshot | None], turns: bool | None) -> Cause:
    """What the first snapshot says that says anything."""
    causes = [classify(series.site, s.profile, growth, turns) for s in snapshots if s is not None and usable(series, s)]
    known = [cause for cause in causes if cause.name != UNKNOWN]
    return (known or causes or [Cause()])[0]
