"""Which findings a page shows, and in which order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import GROWING, OPENED, OVER, RESOLVED, STABLE, WITHDRAWN, Finding
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.telemetry.newest import Newest
from gosonde_collector.web import process_rows

#: Rows of a page.
MOST_ROWS: Final = 500
#: Characters of a filter.
LONGEST_FILTER: Final = 256
#: What "harm" looks ahead, in seconds.
AHEAD_S: Final = 3_600
OPEN, ALL = "open", "all"
#: What the filter of states may be.
STATES: Final = (OPEN, ALL, OPENED, GROWING, STABLE, RESOLVED, WITHDRAWN)


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

    def lets_through(self, finding: Finding) -> bool:
        """Whether the finding is shown."""
        return (
            (self.state in (ALL, finding.state) or (self.state == OPEN and finding.state not in OVER))
            and self.host in ("", finding.host)
            and self.service in ("", service(finding))
            and self._names(finding)
        )

    def _names(self, finding: Finding) -> bool:
        known = finding.site.function, finding.site.file, finding.cause, finding.id
        return not self.text or any(self.text.lower() in name.lower() for name in known)


@dataclass(frozen=True, slots=True)
class Row:
    """A finding with what is known beside it.

    Attributes:
        age_ns: How old the newest observation of its host is.
        is_stale: That is too old for the finding to say how it goes now.
        part_of: The id of the finding whose story it is part of, or "".
    """

    finding: Finding
    age_ns: int = 0
    is_stale: bool = False
    part_of: str = ""

    @property
    def service(self) -> str:
        """See `service`."""
        return service(self.finding)

    @property
    def process_address(self) -> str:
        """Of the page of its process."""
        return process_rows.address(self.finding.host, self.finding.process)

    @property
    def is_over(self) -> bool:
        """Whether it was resolved or withdrawn."""
        return self.finding.state in OVER


def service(finding: Finding) -> str:
    """The name of the executable without its folders."""
    return PurePosixPath(finding.exe).name


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
    return Row(finding, age_ns, is_stale, analyst.parts.get(finding.id, ""))


def rows(analyst: Analyst, newest: Newest, filters: Filters, now_unix_nano: int) -> list[Row]:
    """Those that are let through, the most harmful first."""
    chosen = filter(filters.lets_through, analyst.findings(ProcessFilter()))
    return [row(found, analyst, newest, now_unix_nano) for found in sorted(chosen, key=harm, reverse=True)]


def names(analyst: Analyst) -> tuple[Sequence[str], Sequence[str]]:
    """The hosts and the services that have findings."""
    findings = analyst.findings(ProcessFilter())
    return sorted({found.host for found in findings}), sorted(set(map(service, findings)))
