"""From running totals to the rows of the goroutine metrics: as many as there is room for, the rest summed by host."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from gosonde_common.goroutine_metrics import MAX_SITES, SiteRow
from gosonde_common.owners import OTHERS

from gosonde_collector.model.values import Site
from gosonde_collector.telemetry.totals import ProcessTotals

Names = Callable[[str, Sequence[int]], list[Site]]


def site_rows(
    running: Sequence[ProcessTotals], live: Mapping[str, int], names: Names
) -> tuple[list[SiteRow], Mapping[str, int]]:
    """Rows of the processes with the most live goroutines, and how many live in all others of each host.

    `live` says how many live on each host.
    """
    rows: list[SiteRow] = []
    elsewhere = Counter(live)
    for totals in most(running, [totals.live for totals in running], MAX_SITES):
        if len(rows) >= MAX_SITES:
            break
        rows.extend(_rows(totals, names))
        elsewhere[totals.stream.host] -= totals.live
    return rows, {host: number for host, number in elsewhere.items() if number}


def most(running: Sequence[ProcessTotals], numbers: Sequence[int], limit: int) -> list[ProcessTotals]:
    """The processes with the highest numbers, the highest first."""
    keys = -np.array(numbers, np.float64)
    chosen = np.argpartition(keys, limit)[:limit] if len(keys) > limit else np.arange(len(keys))
    return [running[place] for place in chosen[np.argsort(keys[chosen], kind="stable")].tolist()]


def _rows(totals: ProcessTotals, names: Names) -> Iterator[SiteRow]:
    owner = totals.owner
    sites = names(totals.build_id, totals.pcs[totals.top].tolist())
    top = totals.top.tolist()
    for site, number, (created, exited, baseline) in zip(sites, top, totals.counts[:, top].T.tolist(), strict=True):
        place, live = f"{site.file}:{site.line}" if site.file else "", baseline + created - exited
        yield SiteRow(owner, site.function, place, created, exited, live, totals.estimated(number))
    if totals.pcs.size > totals.top.size:
        yield SiteRow(owner, OTHERS, "", *totals.rest())
