"""Open findings as a metric, so that a process or `go` statement in a chart leads to the page of its finding."""

from collections.abc import Iterable
from typing import Final

from gosonde_common.owners import Owner, owner_of
from prometheus_client.core import GaugeMetricFamily, Metric

from gosonde_collector.analysis.finding import OVER, Finding
from gosonde_collector.analysis.mutes import Mutes

#: Findings with a sample of their own.
MAX_FINDINGS: Final = 500
LABELS: Final = (*Owner._fields, "function", "location", "finding", "state", "cause", "about", "muted")


def finding_metric(findings: Iterable[Finding], mutes: Mutes) -> Metric:
    """gosonde_finding_info: one sample for each finding that is not over, of those that grew last."""
    family = GaugeMetricFamily(
        "gosonde_finding_info", "1 for each open finding: its id, and what it is about.", labels=LABELS
    )
    still_open = sorted((one for one in findings if one.state not in OVER), key=lambda one: -one.grew_unix_nano)
    for one in still_open[:MAX_FINDINGS]:
        family.add_metric(_labels(one, is_muted=mutes.of(one) is not None), 1)
    return family


def _labels(found: Finding, *, is_muted: bool) -> tuple[str, ...]:
    """Owner, function and location as gosonde_goroutines_live has them."""
    site = found.site
    return (
        *owner_of(found.host, found.process.pid, found.exe, found.container),
        site.function,
        f"{site.file}:{site.line}" if site.file else "",
        *(found.id, found.state, found.cause),
        "timers" if found.timers else "goroutines",
        "yes" if is_muted else "no",
    )
