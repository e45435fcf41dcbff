"""Which findings a page shows, and in which order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import GROWING, OPENED, OVER, RESOLVED, STABLE, WITHDRAWN, Finding
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.records import Mute
from gosonde_collector.telemetry.newest import Newest
from gosonde_collector.web import process_rows

#: Rows of a page.
MOST_ROWS: Final = 500
#: Characters of a filter.
LONGEST_FILTER: Final = 256
#: What "harm" looks ahead, in seconds.
AHEAD_S: Final = 3_600
OPEN, ALL, MUTED = "open", "all", "muted"
#: What the filter of states may be.
STATES: Final = (OPEN, MUTED, ALL, OPENED, GROWING, STABLE, RESOLVED, WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which findings; "" lets all through.

    Attributes:
        state: One of STATES.
        host: The host's name.
        service: The name of the executable without its folders.
        text: Part of a function, a file, a cause or an id, in upper or lower case.
    """

    state: str = OPEN
    host: str = ""
    service: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        """From the query of an address; what is too long or no state there is, is cut or left out."""
        host, service, text = (query.get(name, "")[:LONGEST_FILTER] for name in ("host", "service", "text"))
        state = query.get("state", OPEN)
        return cls(state if state in STATES else OPEN, host, service, text)

    def shows(self, muted: Mute | None) -> bool:
        """Whether a finding that is let through is shown, too: muted ones are where they are asked for, and in all."""
        return self.state in (ALL, MUTED) or muted is None

    def lets_through(self, finding: Finding, muted: Mute | None) -> bool:
        """Whether the finding is one of those that are asked for, `muted` or not."""
        return (
            self._is_of_state(finding, muted)
            and self.host in ("", finding.host)
            and self.service in ("", finding.service)
            and self._names(finding)
        )

    def _is_of_state(self, finding: Finding, muted: Mute | None) -> bool:
        if self.state == MUTED:
            return muted is not None
        return self.state in (ALL, finding.state) or (self.state == OPEN and finding.state not in OVER)

    def _names(self, finding: Finding) -> bool:
        site, of = finding.site, finding.container
        known = site.function, site.file, finding.cause, finding.id, of.namespace, of.pod, of.workload
        return not self.text or any(self.text.lower() in name.lower() for name in known)


@dataclass(frozen=True, slots=True)
class Row:
    """A finding with what is known beside it.

    Attributes:
        age_ns: How old the newest observation of its host is.
        is_stale: That is too old for the finding to say how it goes now.
        part_of: The id of the finding whose story it is part of, or "".
        muted: What mutes it now.
    """

    finding: Finding
    age_ns: int = 0
    is_stale: bool = False
    part_of: str = ""
    muted: Mute | None = None

    @property
    def service(self) -> str:
        """See Finding."""
        return self.finding.service

    @property
    def process_address(self) -> str:
        """Of the page of its process."""
        return process_rows.address(self.finding.host, self.finding.process)

    @property
    def snapshots_address(self) -> str:
        """Of the page of its process's snapshots."""
        return process_rows.address(self.finding.host, self.finding.process, "/snapshots")

    @property
    def is_over(self) -> bool:
        """Whether it was resolved or withdrawn."""
        return self.finding.state in OVER


def harm(finding: Finding) -> float:
    """How many goroutines it will probably have leaked in an hour: what it rose by and will rise by, times how sure it
    is; below all others when it is over."""
    if finding.state in OVER:
        return -1.0
    risen = max(finding.live - finding.base, 0) + AHEAD_S * max(finding.growth_per_second, 0.0)
    return finding.confidence * risen


def row(finding: Finding, analyst: Analyst, newest: Newest, now_unix_nano: int) -> Row:
    """The finding with what is known beside it."""
    age_ns, is_stale = (0, False) if finding.state in OVER else newest.age_of(finding.host, now_unix_nano)
    return Row(finding, age_ns, is_stale, analyst.parts.get(finding.id, ""), analyst.mutes.of(finding))


def rows(analyst: Analyst, newest: Newest, filters: Filters, now_unix_nano: int) -> tuple[list[Row], int]:
    """Those that are asked for, the most harmful first, and how many more are left out because they are muted."""
    every = (row(found, analyst, newest, now_unix_nano) for found in analyst.findings(ProcessFilter()))
    chosen = [one for one in every if filters.lets_through(one.finding, one.muted)]
    shown = [one for one in chosen if filters.shows(one.muted)]
    return sorted(shown, key=lambda one: harm(one.finding), reverse=True), len(chosen) - len(shown)


def names(analyst: Analyst) -> tuple[Sequence[str], Sequence[str]]:
    """The hosts and the services that have findings."""
    findings = analyst.findings(ProcessFilter())
    return sorted({found.host for found in findings}), sorted({found.service for found in findings})
