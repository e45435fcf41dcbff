"""A frame of the live view fits any terminal, and nothing in it is obeyed by one."""

from collections.abc import Sequence

import pytest
from gosonde_cli.rendering import About, Figure
from gosonde_cli.top.frame import Line, frame
from gosonde_cli.top.picture import Entry, Key, Picture
from gosonde_cli.top.view import DETAILS, HELP, View
from rich.cells import cell_len

from tests.hostile_text import HOSTILE, unshown

SIZES = [(80, 24), (120, 40), (40, 10), (7, 3), (1, 1)]
PACKAGE = "example.com/platform/internal/very/long/path/to/a/package"
FUNCTION = f"{PACKAGE}.(*ConnectionPoolManager[go.shape.struct_{{}}]).startBackgroundWorkers.func1.gowrap2.1"
FILE = f"/home/builder/go/pkg/mod/{PACKAGE}@v1.22.333-0.20260101000000-abcdef012345/connection_pool_manager.go:12345"


def entry(function: str = FUNCTION, place: str = FILE, live: int = 1, **others: object) -> Entry:
    values: dict[str, object] = {"exe": "/srv/bin/orders", "waits": "sync.(*RWMutex).RLock", **others}
    return Entry(Key("web-1", 4_294_967_295, function, place), live=live, **values)  # type: ignore[arg-type]


def picture(entries: Sequence[Entry], *, is_fleet: bool = False, **others: object) -> Picture:
    values: dict[str, object] = {"title": "gosonde top", "summary": "1 live", "seen": 100.0, **others}
    return Picture(entries=entries, is_fleet=is_fleet, **values)  # type: ignore[arg-type]


def texts(lines: Sequence[Line]) -> list[str]:
    return [line.text for line in lines]


def full() -> list[Entry]:
    rate = Figure(1_234_567.0, "~1,234,567")
    return [
        entry(f"{FUNCTION}{number}", live=About(98_765_432 - number), created=rate, exited=rate, details=(FUNCTION,))
        for number in range(300)
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["list", DETAILS, HELP])
@pytest.mark.parametrize("is_fleet", [False, True])
def test_the_longest_names_and_numbers_fit(size: tuple[int, int], mode: str, *, is_fleet: bool) -> None:
    shown = picture(
        full(), is_fleet=is_fleet, title=FUNCTION, summary=FILE, notes=(FILE, FILE), pauses_ns=[10**12] * 300
    )
    view = View(mode=mode, filter=PACKAGE, selected=full()[7].key)
    lines = texts(frame(shown, view, *size, now=200.0))
    assert len(lines) == size[1]
    assert max(map(cell_len, lines)) <= size[0]


@pytest.mark.parametrize("mode", ["list", DETAILS, HELP])
def test_nothing_of_a_hostile_name_reaches_the_terminal(mode: str) -> None:
    own = entry(HOSTILE, HOSTILE, exe=HOSTILE, waits=HOSTILE, details=(HOSTILE,))
    shown = picture([own], is_fleet=True, title=HOSTILE, summary=HOSTILE, notes=(HOSTILE,), about=(HOSTILE,))
    for width in (80, 120, 4_000):
        lines = texts(frame(shown, View(mode=mode, selected=own.key), width, 24))
        assert len(lines) == 24
        assert not unshown("".join(lines))


def test_at_80_columns_numbers_the_end_of_the_function_and_what_is_waited_for_are_seen() -> None:
    own = entry(live=About(1_234_567), created=Figure(50.0, "~50"), exited=Figure(0.0, "0"), waits="chan receive")
    row = next(line for line in texts(frame(picture([own]), View(), 80, 24)) if "~1,234,567" in line)
    assert "~50" in row
    assert "gowrap2.1" in row
    assert "chan receive" in row


def test_at_120_columns_the_line_of_the_statement_is_seen_too() -> None:
    assert any("connection_pool_manager.go:12345" in line for line in texts(frame(picture([entry()]), View(), 120, 24)))


def test_a_picture_that_grows_old_says_so() -> None:
    shown = picture([entry()])
    assert "seen" not in texts(frame(shown, View(), 80, 24, now=101.0))[-1]
    assert "seen 30 s ago" in texts(frame(shown, View(), 80, 24, now=130.0))[-1]


def test_what_is_lost_stands_above_the_rows_and_all_of_it_in_the_help() -> None:
    shown = picture([entry()], notes=("lost samples_lost: 3", "stale: last observed 20 s ago"))
    assert "lost samples_lost: 3 (and 1 more: ?)" in texts(frame(shown, View(), 80, 24))
    assert "stale: last observed 20 s ago" in texts(frame(shown, View(mode=HELP), 80, 24))


def test_gc_pauses_are_bars_of_the_newest() -> None:
    line = texts(frame(picture([], pauses_ns=[10**9, *[10**6] * 40, 2 * 10**6]), View(), 80, 24))[2]
    assert "▄▄▄█ the last 2 ms, the longest of these 2 ms" in line


def test_pauses_that_nothing_sees_are_not_called_none() -> None:
    assert texts(frame(picture([]), View(), 80, 24))[2] == "GC pauses: not known"
    assert texts(frame(picture([], pauses_ns=[]), View(), 80, 24))[2] == "GC pauses: none seen yet"


def test_the_selected_row_stays_in_sight() -> None:
    entries = full()
    lines = frame(picture(entries), View(selected=entries[250].key), 120, 24)
    (row,) = [line.text for line in lines if line.style == "7"]
    assert "98,765,182" in row
