"""What of a batch is stored: sites and processes within the quotas, and one row for all other sites of a process."""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

import numpy as np
from gosonde_common.wire.runtime import READINGS, figures
from numpy.typing import NDArray

from gosonde_collector.ingest.columns import MAX_VALUE
from gosonde_collector.model.values import Batch, Columns
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.newest import MAX_AGENTS
from gosonde_collector.telemetry.running import RunningTotals
from gosonde_collector.telemetry.totals import ESTIMATES, OTHERS_PC, ProcessTotals, others_site

TABLES: Final = (
    *("site_counters", "park_counters", "pauses", "gc_cycles", "gc_totals", "probe_costs"),
    *("proofs", "holders", "searches", "site_estimates", "timer_readings", "runtime_readings"),
)
#: What searches of memory found, and how many rows of each a site or (searches) a process may have.
PROOFS: Final = {"proofs": 1, "holders": 5, "searches": 1}
#: Of one batch: what an agent with a full spool sends, a few times over.
MAX_AUDIT_EVENTS: Final = 20_000
#: Names of losses of one agent, and wait reasons of one process; agents have some dozens.
MAX_NAMES: Final = 256
COUNTS: Final = ("created", "exited", "baseline")


class QuotaKeeper:
    """Belongs to the one thread that checks batches."""

    def __init__(self, totals: RunningTotals, telemetry: Telemetry) -> None:
        self._totals = totals
        self._telemetry = telemetry
        self._loss_names: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()

    def limited(self, batch: Batch) -> Batch:
        """The batch without what is beyond the quotas, which is counted."""
        found = [self._totals.process(batch.stream, process) for process in batch.processes]
        keep = np.array([totals is not None for totals in found], np.bool_)
        if not keep.all():
            self._telemetry.beyond_quota("processes", int(np.count_nonzero(~keep)))
            batch = _without(batch, keep)
        present = [totals for totals in found if totals is not None]
        batch = replace(self._with_sites(batch, present), losses=self._named_losses(batch))
        batch = self._with_reasons(batch, present)
        batch = self._with_proofs(batch, present)
        batch = self._with_audit(self._with_timers(self._with_estimates(batch, present)))
        batch = self._with_runtimes(batch, present)
        for place, cycles in zip(batch.gc_totals["process"].tolist(), batch.gc_totals["cycles"].tolist(), strict=True):
            present[place].cycles = max(present[place].cycles, cycles)
        for process, totals in zip(batch.processes, present, strict=True):
            if process.ended_unix_nano:
                self._totals.end(totals.number)
        return batch

    def _named_losses(self, batch: Batch) -> Mapping[str, int]:
        """The losses of the names that the agent has used first."""
        agent = batch.stream.host, batch.stream.agent_id
        names = self._loss_names.pop(agent, frozenset())
        names |= frozenset(islice((name for name in batch.losses if name not in names), MAX_NAMES - len(names)))
        self._loss_names[agent] = names
        if len(self._loss_names) > MAX_AGENTS:
            self._loss_names.popitem(last=False)
        self._telemetry.beyond_quota("losses", len(batch.losses.keys() - names))
        return {name: total for name, total in batch.losses.items() if name in names}

    def _with_reasons(self, batch: Batch, present: list[ProcessTotals]) -> Batch:
        """With the parks of the wait reasons that each process has named first."""
        columns = batch.park_counters
        if not len(columns["process"]):
            return batch
        pairs = zip(columns["process"].tolist(), columns["wait_reason"].tolist(), strict=True)
        keep = np.array([present[place].names_reason(reason, MAX_NAMES) for place, reason in pairs], np.bool_)
        self._telemetry.beyond_quota("wait_reasons", int(np.count_nonzero(~keep)))
        return replace(batch, park_counters={name: column[keep] for name, column in columns.items()})

    def _with_proofs(self, batch: Batch, present: list[ProcessTotals]) -> Batch:
        """With what was found of sites that are kept: so many rows of each, and one row for each process."""
        if not any(len(getattr(batch, name)["process"]) for name in PROOFS):
            return batch
        known = [frozenset(totals.pcs.tolist()) for totals in present]
        changed: dict[str, Any] = {}
        for name, most in PROOFS.items():
            columns: Columns = getattr(batch, name)
            places = columns["process"].tolist()
            rows: Counter[tuple[int, int]] = Counter()
            keep = np.zeros(len(places), np.bool_)
            for row, key in enumerate(zip(places, columns["pc"].tolist() if "pc" in columns else places, strict=True)):
                rows[key] += 1
                keep[row] = rows[key] <= most and (name == "searches" or key[1] in known[key[0]])
            self._telemetry.beyond_quota("proofs", int(np.count_nonzero(~keep)))
            changed[name] = {key: column[keep] for key, column in columns.items()}
        return replace(batch, **changed)

    def _with_estimates(self, batch: Batch, present: list[ProcessTotals]) -> Batch:
        """With one estimate of each site that has a row of its own."""
        columns = batch.site_estimates
        if not len(columns["process"]):
            return batch
        keep = np.zeros(len(columns["process"]), np.bool_)
        for place, rows in _by_process(columns):
            pcs, first = np.unique(columns["pc"][rows].astype(np.uint64), return_index=True)
            found = rows[first]
            estimates = np.stack([columns[name][found].astype(np.int64) for name in ESTIMATES])
            keep[found] = self._totals.estimate(present[place], pcs, estimates)
        self._telemetry.beyond_quota("estimates", int(np.count_nonzero(~keep)))
        return replace(batch, site_estimates={name: column[keep] for name, column in columns.items()})

    def _with_timers(self, batch: Batch) -> Batch:
        """With one reading of each process."""
        columns = batch.timer_readings
        _, first = np.unique(columns["process"], return_index=True)
        self._telemetry.beyond_quota("timers", len(columns["process"]) - len(first))
        return replace(batch, timer_readings={name: column[first] for name, column in columns.items()})

    def _with_runtimes(self, batch: Batch, present: list[ProcessTotals]) -> Batch:
        """With one reading of each process, which is kept as its newest."""
        columns = batch.runtime_readings
        _, first = np.unique(columns["process"], return_index=True)
        self._telemetry.beyond_quota("runtimes", len(columns["process"]) - len(first))
        rows = zip(*(columns[name][first].tolist() for name in ("process", *READINGS)), strict=True)
        for place, *row, counts in rows:
            present[place].runtime_figures = figures(row, counts)
        return replace(batch, runtime_readings={name: column[first] for name, column in columns.items()})

    def _with_audit(self, batch: Batch) -> Batch:
        """With the first of the audit events, where they are too many."""
        self._telemetry.beyond_quota("audit_events", max(len(batch.audit) - MAX_AUDIT_EVENTS, 0))
        return replace(batch, audit=batch.audit[:MAX_AUDIT_EVENTS])

    def _with_sites(self, batch: Batch, present: list[ProcessTotals]) -> Batch:
        columns, others = batch.site_counters, []
        keep = np.zeros(len(columns["process"]), np.bool_)
        named: set[tuple[str, int]] = set()
        for place, rows in _by_process(columns):
            totals = present[place]
            pcs = columns["pc"][rows].astype(np.uint64)
            counts = np.stack([columns[name][rows].astype(np.int64) for name in COUNTS])
            keep[rows] = own = self._totals.take(totals, pcs, counts)
            if batch.sites:
                named.update((totals.build_id, pc) for pc in pcs[own].tolist())
            if not own.all():
                others.append((place, totals))
                left_out = int(np.count_nonzero(~np.isin(pcs, totals.pcs)))
                self._telemetry.beyond_quota("sites_left_out", left_out)
                self._telemetry.beyond_quota("sites_summed", int(np.count_nonzero(~own)) - left_out)
        sites = tuple(site for site in batch.sites if (site.build_id, site.pc) in named)
        if not others:
            return replace(batch, sites=sites)
        return replace(
            batch,
            sites=sites + tuple({others_site(totals.build_id) for _, totals in others}),
            site_counters=_with_others({name: column[keep] for name, column in columns.items()}, others),
        )


def _by_process(columns: Columns) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """The place of each process that has rows, and where they are."""
    process = columns["process"].astype(np.int64)
    order = np.argsort(process, kind="stable")
    places, starts = np.unique(process[order], return_index=True)
    yield from zip(places.tolist(), np.split(order, starts[1:]), strict=False)


def _with_others(columns: Columns, others: list[tuple[int, ProcessTotals]]) -> Columns:
    """With the row of each process that stands for its other sites."""
    sums = [[min(total, MAX_VALUE) for total in totals.others()] for _, totals in others]
    added = {
        "process": [place for place, _ in others],
        "pc": [OTHERS_PC] * len(others),
        **dict(zip(COUNTS, map(list, zip(*sums, strict=True)), strict=True)),
    }
    return {
        name: np.concatenate([column, np.array(added.get(name, [0] * len(others)), column.dtype)])
        for name, column in columns.items()
    }


def _without(batch: Batch, keep: NDArray[np.bool_]) -> Batch:
    """Without some processes, and without their rows."""
    places = np.cumsum(keep) - 1
    changed: dict[str, Any] = {}
    for name in TABLES:
        columns: Columns = getattr(batch, name)
        process = columns["process"].astype(np.int64)
        rows = keep[process]
        changed[name] = {key: column[rows] for key, column in columns.items()} | {"process": places[process[rows]]}
    changed["processes"] = tuple(one for one, is_kept in zip(batch.processes, keep, strict=True) if is_kept)
    return replace(batch, **changed)
