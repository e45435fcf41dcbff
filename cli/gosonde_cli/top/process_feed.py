"""Pictures of one process of this host, without a collector: by the source that the host allows."""

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from gosonde_cli import here, rendering
from gosonde_cli.importing import needing, soon
from gosonde_cli.rendering import ABOUT
from gosonde_cli.top.feed import Feed, StoppedError
from gosonde_cli.top.picture import Entry, Key, Picture, Place
from gosonde_cli.top.readings import Reading, Readings, Seen
from gosonde_cli.top.recent import Recent, figure
from gosonde_cli.trace_document import as_document, most_likely

if TYPE_CHECKING:
    from gosonde_agent.watch.trace.seen import Trace

#: Between two pictures.
PICTURE_SECONDS: Final = 1.0
#: Longer than anybody looks.
FOR_EVER: Final = 1e9
#: Stops of the world that are kept.
MOST_STOPS: Final = 256


class ProcessFeed(Feed):
    """Of the process with a pid or a name."""

    def __init__(self, which: str) -> None:
        super().__init__(Picture(f"gosonde top  {which}", doing="Loading ..."))
        self._which = which
        self._lock = threading.Lock()
        self._recent = Recent()
        self._pid, self._next = 0, 0.0
        self._document: dict[str, Any] | None = None
        self._doing = self.picture.doing
        self._readings: Readings | None = None

    def watch(self) -> None:
        """Reads its memory, and counts as soon as that is possible; returns when the process has ended."""
        with needing("agent"), soon():
            from gosonde_agent.watch.trace import tracing  # noqa: PLC0415 - some hosts have no agent
            from gosonde_common import logs  # noqa: PLC0415 - and it takes long to import
        logs.configure(json=False)
        self._pid = here.pid_of(self._which)
        self._doing = "Starting to count; until then, from the memory of the process:"
        self._readings = Readings(self._pid, self._show)
        self._readings.start()
        try:
            with tracing.trace_pid(self._pid, FOR_EVER, self._on_step) as result:
                self._take(result)
                self._doing = f"Counting has ended: {result.left or 'the process is gone'}."
                self._show()
        finally:
            self._readings.close()

    def _on_step(self, _elapsed: float, so_far: "Trace") -> None:
        if self.stopping.is_set():
            raise StoppedError
        del so_far.pauses[:-MOST_STOPS]
        now = time.monotonic()
        if so_far.process is not None and now >= self._next:
            self._next = now + PICTURE_SECONDS
            self._doing = ""
            self._take(so_far)
            self._show()

    def _take(self, result: "Trace") -> None:
        """Keeps what was counted, for pictures."""
        document = as_document(result)
        likely = {
            place_of(site): (float(most_likely(site, "created")), float(most_likely(site, "exited")))
            for site in document["sites"]
        }
        with self._lock:
            self._recent.add(result.observed_unix_nano / 1e9, likely)
            self._document = document

    def _show(self) -> None:
        """Makes the picture; called from this thread and from that of the readings."""
        with self._lock:
            reading = self._readings.newest if self._readings else Reading()
            if self._document is None:
                self.picture = early(self.picture.title, self._doing, self._pid, reading)
            else:
                self.picture = picture_of(self._document, self._recent, reading, self._doing)


def place_of(site: dict[str, Any]) -> Place:
    """Where the statement of a row of `gosonde trace --json` stands."""
    return site["function"], site["file"], site["line"]


def early(title: str, doing: str, pid: int, reading: Reading) -> Picture:
    """Before anything was counted: the goroutines that memory shows."""
    entries = [_entry(place, pid, seen.goroutines, seen=seen) for place, seen in reading.seen.items()]
    notes = (reading.refusal,) if reading.refusal else ()
    seen = time.monotonic() if reading.seen else 0.0
    return Picture(title, doing, entries=entries, pauses_ns=reading.pauses_ns, notes=notes, seen=seen)


def picture_of(document: dict[str, Any], recent: Recent, reading: Reading, doing: str) -> Picture:
    """Of what was counted, as `gosonde trace --json` has it, and what memory shows."""
    process = document["process"]
    entries = [_counted(site, process, recent, reading) for site in document["sites"]]
    gc = document["gc"]
    return Picture(
        title=f"gosonde top  {process['exe'].rpartition('/')[2]}  pid {process['pid']}  {process['go_version']}"
        f"  source {document['source']}",
        doing=doing,
        summary=_summary(document, entries),
        entries=entries,
        pauses_ns=reading.pauses_ns if gc is None else [pause["duration_ns"] for pause in gc["pauses"]],
        notes=tuple(_notes(document, reading)),
        about=tuple(_about(document)),
        seen=time.monotonic() - process["age_ns"] / 1e9,
    )


def _counted(site: dict[str, Any], process: dict[str, Any], recent: Recent, reading: Reading) -> Entry:
    rates = recent.per_second(place_of(site)) or (None, None)
    is_about = "estimated" in site or "shared" in site or not process["precise"]
    return _entry(
        place_of(site),
        process["pid"],
        site["live"] if process["precise"] else rendering.About(site["live"]),
        seen=reading.seen.get(place_of(site)),
        exe=process["exe"],
        rates=rates,
        is_about=is_about,
    )


def _entry(
    place: Place,
    pid: int,
    live: int,
    *,
    seen: Seen | None,
    exe: str = "",
    rates: tuple[float | None, float | None] = (None, None),
    is_about: bool = False,
) -> Entry:
    function, file, line = place
    created, exited = (figure(rate, is_about=is_about) for rate in rates)
    key = Key("", pid, function, f"{file}:{line}" if file else "-")
    return Entry(key, exe, live, created, exited, seen.waits if seen else "", seen.details if seen else ())


def _summary(document: dict[str, Any], entries: list[Entry]) -> str:
    parts = [f"{document['totals']['live']:,} live"]
    known = [entry for entry in entries if entry.created.number >= 0]
    if known:
        is_about = any(ABOUT in entry.created.text for entry in known)
        created = figure(sum(entry.created.number for entry in known), is_about=is_about)
        exited = figure(sum(entry.exited.number for entry in known), is_about=is_about)
        parts.append(f"{created.text}/s created, {exited.text}/s exited")
    if (cost := document["cost"])["probe_ns"] and cost["cpu_ns"]:
        share = min(100 * cost["probe_ns"] / cost["cpu_ns"], 100)
        parts.append(f"counting costs {share:.1f} % of its CPU")
    return "; ".join(parts)


def _notes(document: dict[str, Any], reading: Reading) -> list[str]:
    process = document["process"]
    notes = [f"lost {name}: {count:,}" for name, count in document["lost"].items() if count]
    if process["stale"]:
        notes.insert(0, f"stale: last observed {rendering.duration(process['age_ns'])} ago")
    if not process["precise"]:
        notes.append("not precise: some goroutines were not counted, or not at their go statement")
    return [*notes, reading.refusal] if reading.refusal else notes


def _about(document: dict[str, Any]) -> list[str]:
    source = f"source {document['source']}: {document['source_costs']}; {document['source_because']}"
    return [source, *(f"it cannot see {what}" for what in document["source_cannot"])]
