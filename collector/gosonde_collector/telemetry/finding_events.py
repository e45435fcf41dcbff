"""Changes of findings as events: each state once, also when the collector starts again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.otlp.events import Event, Events, Severity
from gosonde_common.otlp.targets import Target
from gosonde_common.owners import owner_of

from gosonde_collector.analysis.finding import GROWING, OPENED, OVER, STABLE, Finding

log = structlog.get_logger(__name__)

#: The name of every event.
NAME: Final = "gosonde.finding"
#: By state; that of all others is INFO.
SEVERITIES: Final = {OPENED: Severity.WARN, GROWING: Severity.ERROR, STABLE: Severity.WARN}
#: In the folder of the store, and how large it may be, in bytes.
FILE_NAME: Final = "otlp-findings.json"
MAX_BYTES: Final = 64 << 20


class FindingEvents:
    """Knows which state of each finding was sent, in a file that is written after the receiver has accepted it.

    One thread looks, another one sends.
    """

    def __init__(self, folder: Path, events: Events) -> None:
        self._path = folder / FILE_NAME
        self._events = events
        self._sent: dict[str, str] | None = None
        self._noted: dict[str, str] = {}
        events.on_sent = self.on_sent

    def look(self, findings: Iterable[Finding]) -> None:
        """Adds an event for each finding that has another state than the one that was sent.

        The first time of all, findings that are over are no news.
        """
        found = {finding.id: finding for finding in findings}
        if self._sent is None:
            self._sent = self._read_or_begin(found.values())
            self._noted = dict(self._sent)
        for finding in found.values():
            if self._noted.get(finding.id) != finding.state:
                self._noted[finding.id] = finding.state
                self._events.add(event_of(finding))
        if gone := self._noted.keys() - found.keys():
            self._noted = {key: state for key, state in self._noted.items() if key not in gone}

    def on_sent(self, events: Sequence[Event]) -> None:
        """Remembers them; of findings that are forgotten nothing stays."""
        sent = {**(self._sent or {}), **dict(event.identity for event in events)}
        known = self._noted.keys()
        self._sent = {key: state for key, state in sent.items() if key in known}
        self._write(self._sent)

    def _read_or_begin(self, findings: Iterable[Finding]) -> dict[str, str]:
        """What was sent. The first note is written at once: what ends before anything is accepted is news later."""
        sent = _read(self._path)
        if sent is None:
            sent = {finding.id: finding.state for finding in findings if finding.state in OVER}
            self._write(sent)
        return sent

    def _write(self, sent: Mapping[str, str]) -> None:
        try:
            temporary = self._path.with_suffix(".new")
            temporary.write_text(json.dumps(sent))
            temporary.replace(self._path)
        except OSError as error:
            log.warning("events that were sent may be sent again after a restart", reason=str(error))


def _read(path: Path) -> dict[str, str] | None:
    """State by finding; None where there is no such file, or it is damaged."""
    try:
        with path.open("rb") as file:
            content: Any = json.loads(file.read(MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("which events were sent is not known any more", file=str(path), reason=str(error))
        return None
    if not isinstance(content, dict) or not all(isinstance(state, str) for state in content.values()):
        log.warning("which events were sent is not known any more", file=str(path), reason="it is no object of texts")
        return None
    return content


def event_of(finding: Finding) -> Event:
    """Of its present state."""
    pid, site = finding.process.pid, finding.site
    target = Target(
        owner=owner_of(finding.host, pid, finding.exe, finding.container),
        boot_id=finding.process.boot_id,
        start_ticks=finding.process.start_ticks,
        container=finding.container,
    )
    attributes: dict[str, str | int | float | bool] = {
        "gosonde.finding.id": finding.id,
        "gosonde.finding.state": finding.state,
        "gosonde.finding.confidence": finding.confidence,
        "gosonde.finding.cause": finding.cause,
        "gosonde.finding.remedy": finding.remedy,
        "gosonde.finding.growth_per_second": finding.growth_per_second,
        "gosonde.finding.first_seen": finding.first_seen_unix_nano,
        "gosonde.finding.kind": "timers" if finding.timers else "goroutines",
        "gosonde.finding.live": finding.live,
        "code.function.name": site.function,
    }
    if site.file:
        attributes |= {"code.file.path": site.file, "code.line.number": site.line}
    unix_nano = finding.opened_unix_nano if finding.state == OPENED else steady_unix_nano()
    severity = SEVERITIES.get(finding.state, Severity.INFO)
    return Event((finding.id, finding.state), NAME, unix_nano, severity, _body(finding), target, attributes)


def _body(finding: Finding) -> str:
    what = "timers pending" if finding.timers else "goroutines live"
    place = f" at {finding.site.file}:{finding.site.line}" if finding.site.file else ""
    name = finding.timers.name.callback if finding.timers else finding.site.function
    return (
        f"{finding.state} {name}{place}: {finding.live} {what}, {finding.growth_per_second:+.2f} per second, "
        f"confidence {finding.confidence:.2f}, in {finding.exe} (pid {finding.process.pid} on {finding.host})"
    )
