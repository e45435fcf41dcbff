"""What a trace counted, for people: a table of `go` statements between the process and where the numbers come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gosonde_common import foreign
from rich.console import Console
from rich.markup import escape

from gosonde_cli import rates, rendering, timelines
from gosonde_cli.tables.arranging import arranged
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.shortening import OF_PATHS, shortened
from gosonde_cli.tables.table import Row, Table, print_table
from gosonde_cli.trace_document import most_likely

COLUMNS = (
    Column("LIVE"),
    Column("CREATED/S"),
    Column("EXITED/S"),
    Column("FUNCTION", Kind.FUNCTION),
    Column("AT", Kind.PATH),
    Column("CREATED", rank=1),
    Column("EXITED", rank=2),
    Column("BASELINE", rank=3),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """Which `go` statements, in which order, and how many.

    Raises:
        UsageError: There is no such column.
    """

    function: str = ""
    sort: str = ""
    limit: int = 0

    def __post_init__(self) -> None:
        self._arranged([])

    def of(self, document: dict[str, Any]) -> Table:
        """Those of a document that are shown."""
        return self._arranged(list(map(_row, document["sites"])))

    def _arranged(self, rows: list[Row]) -> Table:
        table = Table(COLUMNS, rows, "No such goroutine was seen." if self.function else "No goroutine was seen.")
        return arranged(table, sort=self.sort, limit=self.limit, function=self.function)


def _number(site: dict[str, Any], key: str) -> int:
    """A cell of the table."""
    if key not in {"created", "exited"}:
        return int(site[key])
    number = most_likely(site, key)
    return rendering.About(number) if _is_about(site) else number


def _is_about(site: dict[str, Any]) -> bool:
    return "estimated" in site or "shared" in site


def _row(site: dict[str, Any]) -> Row:
    place = f"{site['file']}:{site['line']}" if site["file"] else "-"
    live, created, exited, baseline = (_number(site, key) for key in ("live", *rates.WHAT, "baseline"))
    created_s, exited_s = (rates.figure(site["per_second"], what, is_about=_is_about(site)) for what in rates.WHAT)
    cells = (live, created_s, exited_s, site["function"] or "?", place, created, exited, baseline)
    return Row(cells, site)


def render(document: dict[str, Any], shown: Shown = Shown(), *, wide: bool = False) -> None:
    """Prints a document for people."""
    console = rendering.console(wide=wide)
    process, totals = document["process"], document["totals"]
    since = "its start" if process["counted_from_start"] else "attaching"
    rest = f"  pid {process['pid']}  {foreign.shown(process['go_version'])}"
    path = shortened(foreign.shown(process["exe"]), max(console.width - len(rest), 1), OF_PATHS)
    console.print(f"[bold]{escape(path)}[/]{escape(rest)}")
    console.print(
        f"{rendering.counted(totals['created'], 'goroutine')} created and {totals['exited']:,} exited since {since}; "
        f"{totals['baseline']:,} existed before, {totals['live']:,} are live now",
    )
    print_table(shown.of(document), wide=wide)
    if any("estimated" in site for site in document["sites"]):
        console.print(rendering.ESTIMATED_MEANS)
    _render_gc(console, document["gc"])
    if (cost := document["cost"])["probe_ns"] and cost["cpu_ns"]:
        share = min(100 * cost["probe_ns"] / cost["cpu_ns"], 100)
        console.print(f"counting took about {share:.1f} % of the process's CPU time")
    if "timeline" in document:
        for line in timelines.lines(document["timeline"]):
            console.print(foreign.shown(line), markup=False, soft_wrap=True)
    _render_source(console, document)
    if not process["precise"]:
        console.print("[bold red]not precise[/]: some goroutines were not counted, or not at their go statement")
    if process["stale"]:
        console.print(f"[bold red]stale[/]: last observed {rendering.duration(process['age_ns'])} ago")
    for name, count in document["lost"].items():
        if count:
            console.print(f"[bold red]lost[/] {name}: {count:,}")


def _render_gc(console: Console, gc: dict[str, Any] | None) -> None:
    if gc is not None and (stopped := "; ".join(_stops(gc))):
        console.print(stopped)


def _stops(gc: dict[str, Any]) -> Iterator[str]:
    """GC cycles, and stop-the-world pauses of any cause; nothing where there were none."""
    if gc["cycles"]:
        cycles, paused_ms = rendering.counted(gc["cycles"], "GC cycle"), gc["pause_total_ns"] / 1e6
        yield f"{cycles}, {paused_ms:.3f} ms of pauses"
    if pauses := gc["pauses"]:
        longest = max(pause["duration_ns"] for pause in pauses)
        among = f", {left_out:,} more not among them" if (left_out := gc["pauses_left_out"]) else ""
        yield f"longest of {rendering.counted(len(pauses), 'stop-the-world pause')}{among}: {longest / 1e6:.3f} ms"


def _render_source(console: Console, document: dict[str, Any]) -> None:
    """Where the numbers come from, why from there, what that takes, and what it does not see."""
    because = escape(foreign.shown(document["source_because"]))
    console.print(f"[bold]source[/] {document['source']}, {because}; costs {document['source_costs']}")
    for what in document["source_cannot"]:
        console.print(f"  it cannot see {what}")
