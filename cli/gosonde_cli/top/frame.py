"""One frame: as many lines as the terminal has, none wider than it, and nothing in them that a terminal obeys."""

import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gosonde_common import foreign
from rich.cells import cell_len, set_cell_size

from gosonde_cli.chart import BLOCKS
from gosonde_cli.rendering import cell, duration, pid_figure
from gosonde_cli.tables.columns import GAP, Column, Kind, widths
from gosonde_cli.top.picture import Entry, Picture
from gosonde_cli.top.view import DETAILS, HELP, LIST, ORDERS, View

COLUMNS: Final = (
    Column("LIVE"),
    Column("CREATED/S"),
    Column("EXITED/S"),
    Column("FUNCTION", Kind.FUNCTION),
    Column("WAITS FOR", Kind.TEXT, 2),
    Column("AT", Kind.PATH, 3),
)
OF_A_FLEET: Final = (Column("HOST", Kind.TEXT, 4), Column("PID", rank=1), Column("EXE", Kind.PATH, 5))
#: Numbers stand at the right of their columns.
NUMBERS: Final = frozenset({"LIVE", "CREATED/S", "EXITED/S", "PID"})
#: A picture is said to be old from this age on.
OLD_SECONDS: Final = 5.0
MOST_PAUSES: Final = 40
HELP_LINES: Final = (
    "up, down, j, k    the row; page up, page down, home, end",
    "Enter             details of the row, with its most frequent stack; again: back",
    *(f"{key}                 sort by {name}" for key, (name, _) in ORDERS.items()),
    "/                 show only rows that contain a text; Esc: show all",
    "space             pause and continue",
    "? q               this help; quit (Ctrl-C, too)",
    "",
    "~ before a number: it contains an estimate, or counts were lost for a time.",
    "- in place of one: it is not known, or not yet.",
)


class Line(NamedTuple):
    """A line of a frame; `style` is the parameter of SGR, empty for plain text."""

    text: str
    style: str = ""


BOLD, RED, REVERSED, DIM = "1", "1;31", "7", "2"


def frame(picture: Picture, view: View, width: int, height: int, now: float | None = None) -> list[Line]:
    """The lines; `now` is CLOCK_MONOTONIC seconds."""
    shown = view.paused or picture
    head = list(_head(shown, width))
    body_height = max(height - len(head) - 1, 0)
    if view.mode in {HELP, DETAILS}:
        body = _page(_about(shown, view, width), view, body_height)
    else:
        body = _list(shown, view, width, body_height)
    body += [Line("")] * (body_height - len(body))
    lines = [*head, *body][: max(height - 1, 0)]
    lines.append(_foot(shown, view, time.monotonic() if now is None else now))
    return [Line(_fitted(line.text, width), line.style) for line in lines]


def _fitted(text: str, width: int) -> str:
    safe = foreign.shown(text)
    return safe if cell_len(safe) <= width else set_cell_size(safe, max(width - 1, 0)) + "…"[:width]


def _head(picture: Picture, width: int) -> Iterator[Line]:
    yield Line(picture.title, BOLD)
    yield Line(picture.doing or picture.summary)
    yield Line(_pauses(picture.pauses_ns, width))
    if picture.notes:
        more = f" (and {len(picture.notes) - 1} more: ?)" if len(picture.notes) > 1 else ""
        note = foreign.shown(picture.notes[0])
        yield Line(_fitted(note, max(width - len(more), 1)) + more, RED)


def _pauses(pauses_ns: Sequence[int] | None, width: int) -> str:
    if pauses_ns is None:
        return "GC pauses: not known"
    if not pauses_ns:
        return "GC pauses: none seen yet"
    newest = pauses_ns[-min(MOST_PAUSES, max(width - 60, 8)) :]
    most = max(*newest, 1)
    bars = "".join(BLOCKS[max(round(pause / most * 8), 1)] for pause in newest)
    return f"GC pauses {bars} the last {duration(newest[-1])}, the longest of these {duration(max(newest))}"


def _list(picture: Picture, view: View, width: int, height: int) -> list[Line]:
    entries = view.entries(picture)
    view.page = max(height - 1, 1)
    at = view.position(entries)
    view.first = max(min(view.first, at, len(entries) - view.page), at - view.page + 1, 0)
    visible = entries[view.first : view.first + view.page]
    if not visible:
        return [] if picture.doing else [Line("No go statement fits the filter." if picture.entries else "None yet.")]
    columns = COLUMNS + OF_A_FLEET if picture.is_fleet else COLUMNS
    rows = [_cells(entry, fleet=picture.is_fleet) for entry in visible]
    room = widths(columns, list(zip(*rows, strict=True)), width)
    titles = Line(_row([column.title for column in columns], columns, room), BOLD)
    found = [
        Line(_row(row, columns, room).ljust(width), REVERSED)
        if view.first + index == at
        else Line(_row(row, columns, room))
        for index, row in enumerate(rows)
    ]
    return [titles, *found]


def _cells(entry: Entry, *, fleet: bool) -> tuple[str, ...]:
    key = entry.key
    own = (entry.live, entry.created, entry.exited, key.function or "?", entry.waits or "-", key.place)
    return tuple(map(cell, (*own, key.host, pid_figure(key.pid), entry.exe) if fleet else own))


def _row(cells: Sequence[str], columns: Sequence[Column], room: dict[int, int]) -> str:
    parts = []
    for position, width in sorted(room.items()):
        text = columns[position].fitted(cells[position], width)
        spare = " " * (width - cell_len(text))
        parts.append(spare + text if columns[position].title in NUMBERS else text + spare)
    return (" " * GAP).join(parts).rstrip()


def _about(picture: Picture, view: View, width: int) -> list[Line]:
    """The lines of the help, or of a row's details, folded where they are longer than the terminal is wide."""
    if view.mode == HELP:
        lines = [*HELP_LINES, "", *picture.notes, *picture.about]
    else:
        entry = next((entry for entry in picture.entries if entry.key == view.selected), None)
        lines = ["This row is gone."] if entry is None else list(_details(entry))
    return [Line(part) for line in lines for part in _folded(foreign.shown(line), width)]


def _details(entry: Entry) -> Iterator[str]:
    key = entry.key
    yield f"{key.function or '?'}  {key.place}"
    yield f"{entry.exe}  pid {key.pid}{f' on host {key.host}' if key.host else ''}"
    created, exited = entry.created.text, entry.exited.text
    yield f"{cell(entry.live)} live, {created} created and {exited} exited each second"
    yield f"most wait for: {entry.waits or 'not known'}"
    yield from entry.details


def _folded(text: str, width: int) -> Iterator[str]:
    width = max(width, 2)
    while cell_len(text) > width:
        part = set_cell_size(text, width)
        part = part if text.startswith(part) else part[:-1]
        part = part[: part.rfind(" ") + 1] or part
        yield part.rstrip()
        text = text[len(part) :]
    yield text


def _page(lines: Sequence[Line], view: View, height: int) -> list[Line]:
    view.page = max(height, 1)
    view.first = max(min(view.first, len(lines) - view.page), 0)
    return list(lines[view.first : view.first + height])


def _foot(picture: Picture, view: View, now: float) -> Line:
    if view.is_typing:
        return Line(f"only rows with: {view.filter}_", BOLD)
    parts = ["PAUSED" if view.paused else "", f"by {ORDERS[view.order][0]}"]
    if view.mode != LIST:
        parts.append("Esc back  down more")
    if view.filter:
        parts.append(f"with {view.filter!r}")
    if picture.seen and (age := int(now - picture.seen)) >= OLD_SECONDS:
        parts.append(f"seen {duration(age * 1_000_000_000)} ago")
    return Line("  ".join(["? help  q quit", *filter(None, parts)]), DIM)
