"""`gosonde findings`: which go statements leak, as far as the collector knows."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from gosonde.collector_client import Finding
from gosonde.findings_client import (
    Explanation,
    FindingsClient,
)
from gosonde_common.values.ages import EVENLY, Ages
from rich.console import Console
from rich.text import Text

from gosonde_cli import rendering
from gosonde_cli.age_text import age_lines
from gosonde_cli.chart import chart
from gosonde_cli.commands.asking import (
    DEFAULT_ADDRESS,
    Collector,
    Host,
    Json,
    Pid,
)
from gosonde_cli.proof_text import proof_lines

MIB = 1 << 20
STYLES = {"opened": "bold yellow", "growing": "bold red", "stable": "cyan", "resolved": "dim", "withdrawn": "dim"}
MARKS = {"agrees": ("✓", "green"), "disagrees": ("✗", "red"), "silent": ("·", "dim")}


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(findings)


def findings(
    *,
    json: Json = False,
    collector: Collector = DEFAULT_ADDRESS,
    host: Host = "",
    pid: Pid = 0,
    explain: Annotated[str, typer.Option(metavar="ID", help="One finding, with all its evidence.")] = "",
) -> None:
    """Say which go statements make goroutines that do not end, with the evidence for and against."""
    with FindingsClient(collector) as client:
        if explain:
            _explain(client.explain(explain), json=json)
            return
        listing = client.listing(host, pid)
    if listing.is_stale:
        _warn(listing.analysis_age_ns)
    if json:
        rendering.print_json([document(finding) for finding in listing.findings])
        return
    out = rendering.console()
    if not listing.findings:
        out.print("No finding: no go statement is seen to make more and more goroutines, and none is proved to leak.")
    for finding in _by_story(listing.findings):
        _print(out, finding)
    _say_age(out, listing.analysis_age_ns)


def _by_story(findings: Sequence[Finding]) -> Iterator[Finding]:
    """In their order, but each right before those that are part of it."""
    ids = {finding.id for finding in findings}
    for finding in findings:
        if finding.part_of not in ids:
            yield finding
            yield from (part for part in findings if part.part_of == finding.id)


def document(finding: Finding) -> dict[str, object]:
    """The finding as docs/json.md describes it: the witnesses' verdicts without their numbers."""
    values = asdict(finding)
    del values["details"]
    return values


def _warn(age_ns: int | None) -> None:
    """To stderr, so that a reader of JSON hears of it too, whatever the list holds."""
    age = rendering.duration(age_ns or 0)
    typer.echo(f"stale: the last analysis ended {age} ago; what happened since is not in the findings", err=True)


def _say_age(out: Console, age_ns: int | None) -> None:
    if age_ns is not None:
        out.print(Text(f"The last analysis ended {rendering.duration(age_ns)} ago."))


def _explain(explanation: Explanation, *, json: bool) -> None:
    if explanation.analysis_is_stale:
        _warn(explanation.analysis_age_ns)
    if json:
        rendering.print_json({**asdict(explanation), "finding": document(explanation.finding)})
        return
    out = rendering.console()
    _print(out, explanation.finding)
    for title, lines in _sections(explanation):
        if lines:
            out.print(Text(f"  {title}", style="bold"))
            for line in lines:
                out.print(Text(f"    {line}"))
            out.print()
    _say_age(out, explanation.analysis_age_ns)


def _sections(explanation: Explanation) -> Iterator[tuple[str, Sequence[str]]]:
    """(title, lines) of each kind of evidence; no lines when there is none."""
    yield "live goroutines", _live(explanation.points)
    states = [f"{count:>8,} {rendering.cell(state)}" for state, count in explanation.states.items()]
    yield "states", [*states, *_shares(explanation)]
    yield "the goroutines", _goroutines(explanation)
    yield "ages, from", _ages(explanation.ages)
    yield "who can wake them", proof_lines(explanation.proof) if explanation.proof else ()
    for number, stack in enumerate(explanation.stacks):
        whose = f"the stack of {stack.goroutines:,}" + (f" ({explanation.cause_reason})" if not number else "")
        frames = [f"{rendering.cell(f.function)}  {rendering.cell(f.file)}:{f.line}" for f in stack.frames]
        yield rendering.cell(whose), frames
    signs = [
        f"{MARKS.get(s.verdict, ('?', ''))[0]} {rendering.cell(s.name):<17} {rendering.cell(s.detail)}"
        for s in explanation.gc_signs
    ]
    yield "garbage collection", signs
    yield "clocks", [f"host {rendering.cell(explanation.finding.host)}: {rendering.clock(explanation.clock_offset_ns)}"]


def _shares(explanation: Explanation) -> list[str]:
    parts = ", ".join(f"{share:.0%} {rendering.cell(state)}" for state, share in explanation.shares.items())
    return [f"{'':>8} {parts}"] if parts else []


def _goroutines(explanation: Explanation) -> list[str]:
    """What is known of them as individuals, and what they hold."""
    lines = []
    if kept := explanation.persistence:
        apart = rendering.duration(kept.later_unix_nano - kept.earlier_unix_nano)
        witness = rendering.cell(kept.witness)
        lines.append(f"of {kept.earlier:,} seen {apart} before, {kept.persisted:,} are still there ({witness})")
    if explanation.oldest_wait_ns:
        lines.append(f"the oldest has waited for {rendering.duration(explanation.oldest_wait_ns)}")
    held = (("their stacks take", explanation.stack_bytes), ("they allocated and hold", explanation.heap_bytes))
    lines += [f"{what} {size / MIB:,.1f} MiB" for what, size in held if size is not None]
    for row in explanation.contentions:
        ended = f"{row.waits:,} waits that ended, {rendering.duration(row.delay_ns)} in all"
        lines.append(f"{ended} ({rendering.cell(row.kind)} profile of {rendering.moment(row.taken_unix_nano)})")
    return lines


def _ages(ages: Ages | None) -> list[str]:
    if ages is None:
        return []
    lines = age_lines(ages)
    return [*lines, EVENLY] if ages.even else lines


def _live(points: Sequence[tuple[int, int]]) -> list[str]:
    if not points:
        return []
    span = f"from {rendering.moment(points[0][0])} to {rendering.moment(points[-1][0])}"
    return [*chart([live for _, live in points]), span]


def _print(out: Console, finding: Finding) -> None:
    style = STYLES.get(finding.state, "")
    site = finding.site
    out.print(
        Text.assemble(
            (rendering.cell(finding.state.upper()), style),
            "  ",
            (rendering.cell(site.function or "an unnamed go statement"), "bold"),
        )
    )
    if site.file:
        out.print(_line(f"{site.file}:{site.line}"))
    out.print(_line(_numbers(finding)))
    out.print(_line(f"host {finding.host}, process {finding.process.pid}, {finding.process.exe}"))
    again = f", {finding.restarts} restarts of the process" if finding.restarts else ""
    pattern = f", {finding.pattern}" if finding.pattern else ""
    known = f"confidence {finding.confidence:.2f}, cause {finding.cause}{pattern}, finding {finding.id}{again}"
    out.print(_line(known))
    for name, verdict in finding.witnesses.items():
        mark, colour = MARKS.get(verdict, ("?", ""))
        detail = rendering.cell(finding.details.get(name, ""))
        out.print(Text.assemble("    ", (f"{mark} {rendering.cell(name):<8}", colour), detail))
    for work in finding.works:
        out.print(_line(f"{work.goroutines:>8,} run {work.function}, cause {work.cause}"))
    if finding.stale:
        since = f"for {rendering.duration(finding.age_ns)}" if finding.age_ns else "since the collector started"
        out.print(_line(f"! stale: nothing was heard of host {finding.host} {since}; this is what was known before"))
    if finding.part_of:
        out.print(_line(f"part of finding {finding.part_of}: their counts grow together, and their stacks meet"))
    elif finding.state not in {"resolved", "withdrawn"}:
        out.print(_line(f"→ {finding.remedy}"))
    out.print()


def _line(text: str) -> Text:
    return Text(f"  {rendering.cell(text)}")


def _numbers(finding: Finding) -> str:
    age = rendering.duration(max(time.time_ns() - finding.first_seen_unix_nano, 0))
    since = f"since {rendering.moment(finding.first_seen_unix_nano)} ({age} ago)"
    return f"{finding.live:,} live, {finding.growth_per_second:+,.2f} per second, {since}"
