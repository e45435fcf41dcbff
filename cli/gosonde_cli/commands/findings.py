"""`gosonde findings`: which go statements leak, as far as the collector knows."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from gosonde.collector_client import CollectorClient, Finding
from gosonde.explanations import Explanation
from gosonde_common.values.containers import NO_CONTAINER
from rich.console import Console, Group, RenderableType
from rich.text import Text

from gosonde_cli import rendering
from gosonde_cli.finding_text import block, gc_signs, indented, sections
from gosonde_cli.options import Function, State
from gosonde_cli.tables import known
from gosonde_cli.tables.asked import AskedOfContainers, add
from gosonde_cli.tables.columns import Column
from gosonde_cli.tables.showing import Filters, show
from gosonde_cli.tables.table import Row, Table

#: What findings can be sorted by.
COLUMNS = tuple(
    map(Column, ("LIVE", "RATE", "STATE", "CONFIDENCE", "SINCE", "FUNCTION", "CAUSE", "HOST", "PID", "EXE"))
)
NO_FINDING = "No finding: no go statement has a growing number of goroutines, and none is proved to leak."
NO_DATA = "No finding, but no all-clear either: there are no current data about these processes."


@dataclass(frozen=True)
class AskedOfFindings(AskedOfContainers):
    """Which findings."""

    function: Function = ""
    state: State = ""
    explain: Annotated[str, typer.Option(metavar="ID", help="Show one finding with all its evidence.")] = ""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, findings, AskedOfFindings)


def findings(asked: AskedOfFindings) -> None:
    """Show which go statements leak goroutines, with the evidence for and against."""
    with CollectorClient(asked.collector) as client:
        if asked.explain:
            _explain(client.explain(asked.explain), asked)
            return
        filters = Filters(asked.function, asked.state)
        show(lambda: _read(client, asked), asked, filters, _blocks)


def _read(client: CollectorClient, asked: AskedOfFindings) -> Table:
    processes = client.processes()
    listing = client.listing(asked.host, known.pid_of(asked.which), asked.container)
    found = [one for one in known.of(asked, listing.findings) if _is_in(one, asked)]
    if not found:  # they outlive the processes that are known
        processes = known.selected(processes, asked.host, asked.which, asked.exe, asked.container)
    stale = [_stale(listing.analysis_age_ns)] if listing.is_stale else []
    return Table(
        COLUMNS,
        [Row(_cells(finding), document(finding), finding) for finding in _by_story(found)],
        NO_FINDING if known.has_data(processes) else NO_DATA,
        _age(listing.analysis_age_ns),
        gaps=[*stale, *known.gaps(processes)],
    )


def _is_in(finding: Finding, asked: AskedOfFindings) -> bool:
    """Whether it is of the container that is asked for: older collectors give those of all."""
    return (finding.container or NO_CONTAINER).is_like(asked.container)


def _cells(finding: Finding) -> tuple[object, ...]:
    """What findings are sorted by, and filtered."""
    site, process = finding.site, finding.process
    known_since = rendering.moment_figure(finding.first_seen_unix_nano)
    first = finding.live, finding.growth_per_second, finding.state, finding.confidence, known_since
    return (*first, site.function, finding.cause, finding.host, process.pid, process.exe)


def _blocks(table: Table, out: Console) -> RenderableType:
    """Findings for people, one below the other."""
    blocks = [part for row in table.rows for part in block(row.source, out.width)]
    more = [f"and {rendering.counted(table.left_out, 'more finding')} (--limit)"] if table.left_out else []
    lines = [*([] if blocks else [table.empty]), *more, *table.gaps, *table.notes]
    return Group(*blocks, *map(Text, lines))


def _by_story(findings: Sequence[Finding]) -> Iterator[Finding]:
    """In their order, but each right before those that are part of it."""
    ids = {finding.id for finding in findings}
    for finding in findings:
        if finding.part_of not in ids:
            yield finding
            yield from (part for part in findings if part.part_of == finding.id)


def document(finding: Finding) -> dict[str, object]:
    """The finding as docs/json.md describes it: the witnesses' verdicts and numbers, without the sentences."""
    values = asdict(finding)
    del values["details"]
    return values


def _stale(age_ns: int | None) -> str:
    age = rendering.duration(age_ns or 0)
    return f"stale: the last analysis ended {age} ago; findings do not show what happened since"


def _age(age_ns: int | None) -> list[str]:
    return [f"The last analysis ended {rendering.duration(age_ns)} ago."] if age_ns is not None else []


def _explain(explanation: Explanation, asked: AskedOfFindings) -> None:
    if explanation.analysis_is_stale:
        typer.echo(_stale(explanation.analysis_age_ns), err=True)
    if asked.json:
        rendering.print_json({**asdict(explanation), "finding": document(explanation.finding)})
        return
    out = rendering.console(wide=asked.wide)
    out.print(Group(*block(explanation.finding, out.width)))
    for title, lines in sections(explanation, out.width):
        if lines:
            out.print(Text(f"  {title}", style="bold"))
            for line in lines:
                out.print(indented(Text(line), 4))
            out.print()
    if signs := list(gc_signs(explanation)):
        out.print(Text("  garbage collection", style="bold"), *signs, "", sep="\n")
    for line in _age(explanation.analysis_age_ns):
        out.print(Text(line))
