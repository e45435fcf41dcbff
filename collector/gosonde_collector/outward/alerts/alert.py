"""A finding as an alert: what it is known by, how severe it is, and what it says."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from gosonde_common.foreign import shown

from gosonde_collector.analysis.finding import GROWING, OPENED, STABLE, Finding

#: From the mildest. What is open for less than a minute may be nothing; see docs/alerts.md.
SEVERITIES: Final = ("info", "warning")
OF_STATES: Final = {OPENED: "info", GROWING: "warning", STABLE: "info"}
#: What alerts of goroutines and of pending timers are called.
GOROUTINES, TIMERS = "GoGoroutinesLeak", "GoTimersPending"
#: Characters of a label or an annotation.
MOST_TEXT: Final = 1_024
SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Alert:
    """What is said of a finding.

    Attributes:
        finding: Its id.
        severity: One of SEVERITIES.
        state: The finding's; of one that is over, or that somebody muted, why it is sent no more.
        labels: What it is known by, without the severity; none is empty.
        annotations: What it says; they may change while it goes on.
        url: Its page; "" where no address of pages is known.
    """

    finding: str
    severity: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_unix_nano: int
    url: str = ""

    @property
    def all_labels(self) -> dict[str, str]:
        """With the severity."""
        return {**self.labels, "severity": self.severity}

    def document(self) -> str:
        """As JSON, for `from_document`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_document(cls, document: str) -> "Alert":
        """What `document` wrote."""
        return cls(**json.loads(document))


def alert_of(found: Finding, public_url: str, part_of: str, analysed_unix_nano: int) -> Alert:
    """What is said of a finding that is not over.

    Args:
        public_url: Where the web page is; "" where that is not known.
        part_of: The id of the finding whose story it is part of; "" for none.
        analysed_unix_nano: When the analysis ended that the numbers are of.
    """
    return Alert(
        found.id,
        OF_STATES[found.state],
        found.state,
        _shown(_labels(found)),
        _shown({**_numbers(found), "part_of": part_of, "analysed": iso(analysed_unix_nano)}),
        found.first_seen_unix_nano,
        f"{public_url.rstrip('/')}/findings/{found.id}" if public_url else "",
    )


def iso(unix_nano: int) -> str:
    """A time as RFC 3339 has it, to the millisecond."""
    return datetime.fromtimestamp(unix_nano / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _labels(found: Finding) -> dict[str, str]:
    in_container = found.container
    return {
        "alertname": TIMERS if found.timers else GOROUTINES,
        "finding": found.id,
        "host": found.host,
        "service": found.service,
        "function": found.site.function,
        "namespace": in_container.namespace,
        "pod": in_container.pod,
        "container": in_container.name,
        "workload": in_container.workload,
    }


def _numbers(found: Finding) -> dict[str, str]:
    what = "pending timers" if found.timers else "live goroutines"
    rate = f", {found.growth_per_second:+.2f} per second" if found.growth_per_second else ""
    where = found.site.function or f"0x{found.site.pc:x}"
    return {
        "summary": f"{where} in {found.service} on {found.host}: {found.live:,} {what}{rate}",
        "description": found.remedy,
        "state": found.state,
        "pid": str(found.process.pid),
        "exe": found.exe,
        "location": f"{found.site.file}:{found.site.line}" if found.site.file else "",
        "cause": found.cause,
        "live": str(found.live),
        "growth_per_second": f"{found.growth_per_second:.4g}",
        "confidence": f"{found.confidence:.2f}",
    }


def _shown(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: shown(text, MOST_TEXT) for name, text in texts.items() if text}
