"""Findings for people, and what speaks for and against one of them."""

import time
from collections.abc import Iterator, Sequence

from gosonde.collector_client import Finding
from gosonde.explanations import Contention, Explanation, StackFrame
from gosonde_common.values.ages import EVENLY, Ages
from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gosonde_cli import container_text, rendering
from gosonde_cli.age_text import age_lines
from gosonde_cli.chart import chart
from gosonde_cli.escape_text import escape_lines
from gosonde_cli.proof_text import proof_lines
from gosonde_cli.tables.shortening import OF_FUNCTIONS, OF_PATHS, shortened

MIB = 1 << 20
STYLES = {"opened": "bold yellow", "growing": "bold red", "stable": "cyan", "resolved": "dim", "withdrawn": "dim"}
MARKS = {"agrees": ("✓", "green"), "disagrees": ("✗", "red"), "silent": ("·", "dim")}
INDENT = 2


def block(finding: Finding, room: int) -> Iterator[RenderableType]:
    """A finding in lines; names are shortened to so many columns, sentences go on below their beginning."""
    site, process = finding.site, finding.process
    state = rendering.cell(finding.state.upper())
    what = "timers that call " if finding.timers else ""
    function = what + rendering.cell(site.function or "an unnamed go statement")
    short = shortened(function, max(room - len(state) - INDENT, 1), OF_FUNCTIONS)
    yield Text.assemble((state, STYLES.get(finding.state, "")), "  ", (short, "bold"))
    if site.file:
        yield _place(f"{site.file}:{site.line}", room)
    yield _line(_numbers(finding))
    yield _line(f"host {finding.host}, process {process.pid}")
    yield _place(process.exe, room)
    if finding.container:
        yield _line(container_text.line(finding.container))
    again = f", {finding.restarts} restarts of the process" if finding.restarts else ""
    pattern = f", {finding.pattern}" if finding.pattern else ""
    known = f"confidence {finding.confidence:.2f}, cause {finding.cause}{pattern}, finding {finding.id}{again}"
    yield _line(known)
    for name, verdict in finding.witnesses.items():
        mark, colour = MARKS.get(verdict, ("?", ""))
        detail = rendering.cell(finding.details.get(name, ""))
        yield hanging(Text(f"{mark} {rendering.cell(name):<8}", colour), detail, 2 * INDENT)
    for work in finding.works:
        yield _line(f"{_about(finding, work.goroutines):>8} run {work.function}, cause {work.cause}")
    for said, taken in _of_snapshots(finding):
        ago = rendering.duration(max(time.time_ns() - taken, 0))
        yield hanging(Text("# "), rendering.cell(f"{said} (snapshot taken {ago} ago)"), INDENT)
    if muted := finding.muted:
        by = f" by {muted.by}" if muted.by else ""
        text = f"muted{by} until {rendering.moment(muted.until_unix_nano)}: {muted.reason}"
        yield hanging(Text("! "), rendering.cell(text), INDENT)
    if finding.stale:
        since = f"for {rendering.duration(finding.age_ns)}" if finding.age_ns else "since the collector started"
        yield _line(f"! stale: host {finding.host} has sent nothing {since}; this is what was known before")
    if finding.part_of:
        yield _line(f"part of finding {finding.part_of}: their counts grow together and their stacks are related")
    elif finding.state not in {"resolved", "withdrawn"}:
        yield hanging(Text("→ "), rendering.cell(finding.remedy), INDENT)
    yield Text()


def _about(finding: Finding, goroutines: int) -> str:
    """A number that stacks say."""
    return f"{'~' if finding.is_estimated else ''}{goroutines:,}"


def _of_snapshots(finding: Finding) -> Iterator[tuple[str, int]]:
    """(what a snapshot says beside the witnesses, when it was taken)."""
    for share in finding.labels:
        yield share.said, share.taken_unix_nano
    for host in finding.hosts:
        yield host.said, host.taken_unix_nano


def indented(text: Text, columns: int) -> RenderableType:
    """A text whose lines all begin so many columns from the left."""
    return Padding(text, (0, 0, 0, columns), expand=False)


def hanging(mark: Text, text: str, columns: int) -> RenderableType:
    """A text whose lines all begin behind a mark, which stands so many columns from the left."""
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_row(mark, Text(text))
    return Padding(grid, (0, 0, 0, columns), expand=False)


def _place(path: str, room: int) -> RenderableType:
    return _line(shortened(rendering.cell(path), max(room - INDENT, 1), OF_PATHS))


def _line(text: str) -> RenderableType:
    return indented(Text(rendering.cell(text)), INDENT)


def _numbers(finding: Finding) -> str:
    age = rendering.duration(max(time.time_ns() - finding.first_seen_unix_nano, 0))
    since = f"since {rendering.moment(finding.first_seen_unix_nano)} ({age} ago)"
    live = "pending" if finding.timers else "live"
    return f"{finding.live:,} {live}, {finding.growth_per_second:+,.2f} per second, {since}"


def sections(explanation: Explanation, room: int) -> Iterator[tuple[str, Sequence[str]]]:
    """(title, lines) of each kind of evidence but GC's, indented by four columns; no lines when there is none."""
    yield "pending timers" if explanation.finding.timers else "live goroutines", _live(explanation.points, room - 4)
    states = [f"{count:>8,} {rendering.cell(state)}" for state, count in explanation.states.items()]
    yield "the timers", _timers(explanation.cause_reason) if explanation.finding.timers else ()
    yield "states", [*states, *_shares(explanation)]
    yield "the goroutines", _goroutines(explanation)
    yield "ages, from", _ages(explanation.ages)
    yield "what can wake them", proof_lines(explanation.proof) if explanation.proof else ()
    escapes, live = explanation.escapes, explanation.finding.live
    yield "what escapes to the heap", list(escape_lines(escapes, live, room - 4)) if escapes else ()
    for number, stack in enumerate(explanation.stacks):
        about = _about(explanation.finding, stack.goroutines)
        whose = f"the stack of {about}" + (f" ({explanation.cause_reason})" if not number else "")
        yield rendering.cell(whose), [_call(frame, room - 4) for frame in stack.frames]
    yield "clocks", [f"host {rendering.cell(explanation.finding.host)}: {rendering.clock(explanation.clock_offset_ns)}"]


def _timers(said: str) -> Sequence[str]:
    return [rendering.cell(part) for part in said.split("; ")]


def gc_signs(explanation: Explanation) -> Iterator[RenderableType]:
    """What garbage collection says, a line for each sign and below it what finds no room."""
    for sign in explanation.gc_signs:
        mark = f"{MARKS.get(sign.verdict, ('?', ''))[0]} {rendering.cell(sign.name):<17} "
        yield hanging(Text(mark), rendering.cell(sign.detail), 2 * INDENT)


def _call(frame: StackFrame, room: int) -> str:
    """A call in one line: its function has two thirds of it at most."""
    function = shortened(rendering.cell(frame.function), room * 2 // 3, OF_FUNCTIONS)
    left = max(room - cell_len(function) - 2, 1)
    return f"{function}  {shortened(f'{rendering.cell(frame.file)}:{frame.line}', left, OF_PATHS)}"


def _shares(explanation: Explanation) -> list[str]:
    largest = sorted(explanation.shares.items(), key=lambda one: -one[1])
    parts = ", ".join(f"{share:.0%} {rendering.cell(state)}" for state, share in largest if share)
    return [f"{'':>8} {parts}"] if parts else []


def _goroutines(explanation: Explanation) -> list[str]:
    """What is known of them as individuals, and what they hold."""
    lines = []
    if kept := explanation.persistence:
        apart = rendering.duration(kept.later_unix_nano - kept.earlier_unix_nano)
        witness = rendering.cell(kept.witness)
        lines.append(f"of {kept.earlier:,} goroutines seen {apart} before, {kept.persisted:,} still exist ({witness})")
    if explanation.oldest_wait_ns:
        lines.append(f"the oldest has waited for {rendering.duration(explanation.oldest_wait_ns)}")
    held = (("their stacks take", explanation.stack_bytes), ("they allocated and hold", explanation.heap_bytes))
    lines += [f"{what} {size / MIB:,.1f} MiB" for what, size in held if size is not None]
    return lines + list(map(_contention, explanation.contentions))


def _contention(row: Contention) -> str:
    why = f" for {rendering.cell(row.reason)}" if row.reason else ""
    ended = f"{row.waits:,} waits{why} that ended, {rendering.duration(row.delay_ns)} in all"
    source = "execution trace" if row.kind == "trace" else f"{rendering.cell(row.kind)} profile"
    return f"{ended} ({source} of {rendering.moment(row.taken_unix_nano)})"


def _ages(ages: Ages | None) -> list[str]:
    if ages is None:
        return []
    lines = age_lines(ages)
    return [*lines, EVENLY] if ages.even else lines


def _live(points: Sequence[tuple[int, int]], room: int) -> list[str]:
    if not points:
        return []
    span = f"from {rendering.moment(points[0][0])} to {rendering.moment(points[-1][0])}"
    return [*chart([live for _, live in points], room), span]
