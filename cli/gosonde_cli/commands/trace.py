"""`gosonde trace`: one process, no collector, the main job in one line."""

import dataclasses
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from gosonde_common import foreign
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import NotFoundError, UsageError
from gosonde_common.staleness import is_stale
from rich.console import Console
from rich.markup import escape

from gosonde_cli import here, rates, rendering, tracing
from gosonde_cli.options import Json, Pid, Process, Wide
from gosonde_cli.suspects.judging import Watching
from gosonde_cli.suspects.verdict_text import verdict_lines
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.shortening import OF_PATHS, shortened
from gosonde_cli.tables.table import Row, Table, print_table

if TYPE_CHECKING:
    from gosonde_agent.trace import Trace

COLUMNS = (
    Column("LIVE"),
    Column("FUNCTION", Kind.FUNCTION),
    Column("AT", Kind.PATH),
    Column("CREATED"),
    Column("EXITED", rank=1),
    Column("CREATED/S", rank=2),
    Column("EXITED/S", rank=3),
    Column("BASELINE", rank=4),
)
#: Of an estimate: what is summed where several are of one statement.
ESTIMATED = ("created", "created_low", "created_high", "exited", "exited_low", "exited_high")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(cls=tracing.WithProgram)(trace)


def trace(
    ctx: typer.Context,
    process: Process = "",
    *,
    pid: Pid = None,
    exe: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Watch the process that runs this file, or the next to start.")
    ] = None,
    duration: tracing.Duration = None,
    source: tracing.SourceName = "",
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Count the goroutines and GC pauses of one process for a while.

    The process is a pid or a name, as in: gosonde trace orders; or it is started:
    gosonde trace -- CMD ARGS
    """
    command: list[str] = ctx.obj
    which = here.chosen(process, pid)
    if sum((bool(which), exe is not None, bool(command))) != 1:
        raise UsageError("say what to trace with exactly one of PROCESS (or --pid N), --exe PATH, or -- CMD ARGS")
    target = here.pid_of(which) if which else None
    seconds = tracing.seconds_of(duration, command)
    with ExitStack() as probes:
        what = tracing.What(target, exe, command, seconds, source)
        watching = Watching()
        document = as_document(tracing.run(probes, what, watching, shows_progress=not as_json))
        over_ns = document["process"]["counted_ns"]
        verdict = watching.verdict(document["sites"], document["source"], over_ns)
        if as_json:
            rendering.print_json(document | dataclasses.asdict(verdict))
        else:
            render(document, wide=wide)
            console = rendering.console(wide=wide)
            for line in ("", *verdict_lines(verdict, over_ns, console.width)):
                console.print(line, markup=False, soft_wrap=True)
        sys.stdout.flush()  # the kernel takes its time to close the probes


def as_document(result: "Trace") -> dict[str, Any]:
    """The JSON document; docs/json.md describes it."""
    process = result.process
    if process is None:
        raise NotFoundError("the process was never seen")
    age_ns = max(steady_unix_nano() - result.observed_unix_nano, 0)
    counted_ns = max((process.ended_unix_nano or result.observed_unix_nano) - process.counted_since_unix_nano, 0)
    sites = _sites(result, counted_ns)
    sums = {key: sum(site[key] for site in sites) for key in ("baseline", "created", "exited", "live")}
    return {
        "source": result.kind.name,
        "source_because": result.why,
        "source_left": result.left,
        "source_costs": result.kind.price,
        "source_cannot": list(result.kind.cannot),
        "process": {
            "pid": process.key.pid,
            "exe": process.exe,
            "go_version": process.go_version,
            "build_id": process.build_id,
            "counted_since_unix_nano": process.counted_since_unix_nano,
            "counted_from_start": process.counted_from_start,
            "precise": process.precise,
            "ended_unix_nano": process.ended_unix_nano,
            "counted_ns": counted_ns,
            "age_ns": age_ns,
            "stale": not process.ended_unix_nano and is_stale(age_ns, 0),
        },
        "sites": sites,
        "totals": {**sums, "per_second": rates.per_second(sums, {}, counted_ns)},
        "gc": _gc(result) if result.kind.sees_stops else None,
        "cost": {
            "probe_ns": result.cost.probe_ns if result.cost else 0,
            "cpu_ns": result.cost.cpu_ns if result.cost else 0,
        },
        "lost": {name: count for name, count in result.losses.items() if not name.startswith("uplink_")},
    }


def _gc(result: "Trace") -> dict[str, Any]:
    return {
        "cycles": result.gc.cycles if result.gc else 0,
        "pause_total_ns": result.gc.gc_pause_ns if result.gc else 0,
        "pauses": [
            {"start_unix_nano": p.start_unix_nano, "duration_ns": p.duration_ns, "reason": p.reason}
            for p in sorted(result.pauses, key=lambda pause: pause.ordinal)
        ],
    }


def _sites(result: "Trace", over_ns: int) -> list[dict[str, Any]]:
    """Rows by statement, counted for so long; several of one statement are summed."""
    totals: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for count in result.sites:
        row = totals[count.site.function, count.site.file, count.site.line]
        row[0] += count.created
        row[1] += count.exited
        row[2] += count.baseline
    sites: list[dict[str, Any]] = [
        {"function": function, "file": file, "line": line, "baseline": b, "created": c, "exited": e, "live": b + c - e}
        for (function, file, line), (c, e, b) in totals.items()
    ]
    _add_estimates(sites, result, over_ns)
    sites.sort(key=lambda site: (-site["live"], -most_likely(site, "created"), site["function"]))
    return sites


def _add_estimates(sites: list[dict[str, Any]], result: "Trace", over_ns: int) -> None:
    """To each row its rates and what is estimated of it, and to that without a statement what the others have of it."""
    found: dict[tuple[str, str, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(ESTIMATED, 0))
    for row in result.estimates:
        own = found[row.site.function, row.site.file, row.site.line]
        own.update({name: own[name] + getattr(row, name) for name in ESTIMATED})
        own.update({name: getattr(row, name) for name in ("windows", "sampled_ns")})
    together = {name: sum(own[name] for own in found.values()) for name in ESTIMATED}
    shared = {what: together[what] for what in rates.WHAT}
    for site in sites:
        place = site["function"], site["file"], site["line"]
        if place in found:
            site["estimated"] = found[place]
        elif place == ("", "", 0) and any(shared.values()):
            site["shared"] = shared
        site["per_second"] = rates.per_second(site, together, over_ns)


def most_likely(site: dict[str, Any], what: str) -> int:
    """Creations or exits of a row, with what is estimated of it, and without what others have of it."""
    found, shared = site.get("estimated"), site.get("shared")
    number: int = site[what] + (found[what] if found else 0) - (shared[what] if shared else 0)
    return max(number, 0)


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
    return Row((live, site["function"] or "?", place, created, exited, created_s, exited_s, baseline))


def render(document: dict[str, Any], *, wide: bool = False) -> None:
    """Prints a document for people."""
    console = rendering.console(wide=wide)
    process, totals = document["process"], document["totals"]
    since = "its start" if process["counted_from_start"] else "attaching"
    rest = f"  pid {process['pid']}  {foreign.shown(process['go_version'])}"
    path = shortened(foreign.shown(process["exe"]), max(console.width - len(rest), 1), OF_PATHS)
    console.print(f"[bold]{escape(path)}[/]{escape(rest)}")
    console.print(
        f"{totals['created']:,} goroutines created and {totals['exited']:,} exited since {since}; "
        f"{totals['baseline']:,} lived before that, {totals['live']:,} live now",
    )
    print_table(Table(COLUMNS, list(map(_row, document["sites"])), "No goroutine was seen."), wide=wide)
    if any("estimated" in site for site in document["sites"]):
        console.print(rendering.ESTIMATED_MEANS)
    _render_gc(console, document["gc"])
    if (cost := document["cost"])["probe_ns"] and cost["cpu_ns"]:
        share = min(100 * cost["probe_ns"] / cost["cpu_ns"], 100)
        console.print(f"counting took about {share:.1f} % of the process's CPU time")
    _render_source(console, document)
    if not process["precise"]:
        console.print("[bold red]not precise[/]: some of this process was not counted, or not at its go statement")
    if process["stale"]:
        console.print(f"[bold red]stale[/]: last observed {rendering.duration(process['age_ns'])} ago")
    for name, count in document["lost"].items():
        if count:
            console.print(f"[bold red]lost[/] {name}: {count:,}")


def _render_gc(console: Console, gc: dict[str, Any] | None) -> None:
    if gc is not None and (stopped := "; ".join(_stops(gc))):
        console.print(stopped)


def _stops(gc: dict[str, Any]) -> Iterator[str]:
    """What stopped the world, as far as anything did."""
    if gc["cycles"]:
        cycles, paused_ms = rendering.counted(gc["cycles"], "GC cycle"), gc["pause_total_ns"] / 1e6
        yield f"{cycles} stopped the world for {paused_ms:.3f} ms in all"
    if pauses := gc["pauses"]:
        longest = max(pause["duration_ns"] for pause in pauses)
        yield f"{rendering.counted(len(pauses), 'stop')}, the longest {longest / 1e6:.3f} ms"


def _render_source(console: Console, document: dict[str, Any]) -> None:
    """Where the numbers come from, why from there, what that takes, and what it does not see."""
    because = escape(foreign.shown(document["source_because"]))
    console.print(f"[bold]source[/] {document['source']}: {document['source_costs']}; {because}")
    for what in document["source_cannot"]:
        console.print(f"  it cannot see {what}")
