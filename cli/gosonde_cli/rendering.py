"""How commands print: numbers and lines for people, one JSON document for programs."""

import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gosonde_common import foreign

if TYPE_CHECKING:
    from rich.console import Console

#: Columns where values are to be whole.
WIDE: Final = 1 << 20


def console(*, wide: bool = False) -> "Console":
    """Prints to stdout; as wide as the terminal, or 80 columns where there is none. `wide`: no line is broken."""
    from rich.console import Console  # noqa: PLC0415 - text alone needs none of rich, which takes a while to import

    return Console(width=WIDE if wide else None, highlight=False)


def columns(*, wide: bool = False) -> int:
    """Of the terminal, or 80 where there is none; 0 for text that is to be whole. Needs none of rich."""
    return 0 if wide else shutil.get_terminal_size().columns


def print_json(document: Any) -> None:  # noqa: ANN401 - whatever json knows, and dataclasses
    """One document and a newline."""
    foreign.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")


def print_json_line(document: Any) -> None:  # noqa: ANN401
    """One document in one line: an element of a stream (NDJSON). It is there at once for who reads."""
    foreign.dump(document, sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()


#: The level at which totals and live counts are exact, and created and exited of each go statement estimated.
SAMPLED: Final = "sampled"
#: Before a number that is not precise, and what that means.
ABOUT: Final = "~"
ABOUT_MEANS: Final = (
    f"{ABOUT} not precise: for some time probes were detached or lost counts, and memory shows only part of the rest"
)


#: What it means before a number that contains an estimate.
ESTIMATED_MEANS: Final = (
    f"{ABOUT} estimated: the process's total is exact, its shares by go statement come from short samples "
    "(--json has the bounds)"
)


class About(int):
    """A number that is not precise, or contains an estimate."""


class Figure(NamedTuple):
    """A number that is shown in its own way, and sorted as a number."""

    number: float
    text: str


def pid_figure(pid: int) -> Figure:
    """A process id: its thousands are not apart."""
    return Figure(pid, str(pid))


def moment_figure(unix_nano: int) -> Figure:
    """A time, as `moment` has it."""
    return Figure(unix_nano, moment(unix_nano))


def duration_figure(nanoseconds: int) -> Figure:
    """A length of time, as `duration` has it."""
    return Figure(nanoseconds, duration(nanoseconds))


def cell(value: object) -> str:
    """A number as it is shown, anything else as it is; what a terminal would not show is made visible."""
    if isinstance(value, Figure):
        return foreign.shown(value.text)
    if isinstance(value, int):
        return f"{ABOUT if isinstance(value, About) else ''}{value:,}"
    return foreign.shown(value)


def moment(unix_nano: int) -> str:
    """A time for people, in UTC and to the second; "-" for 0."""
    if not unix_nano:
        return "-"
    return datetime.fromtimestamp(unix_nano // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def counted(number: int, what: str, several: str = "") -> str:
    """A number of things: "1 line", "2,000 lines", "2 processes"."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def size(number: int) -> str:
    """A number of bytes for people: "12.5 KiB", "512 bytes"."""
    for unit, unit_bytes in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= unit_bytes:
            return f"{number / unit_bytes:,.1f} {unit}"
    return f"{number:,} bytes"


def duration(nanoseconds: int) -> str:
    """A length of time for people, with two units at most: "850 ns", "1.25 ms", "3 min 20 s", "2 d 4 h"."""
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 999.5:
            return f"{nanoseconds / size:.3g} {unit}"
    seconds = nanoseconds // 1_000_000_000
    if seconds < 60:
        return f"{nanoseconds / 1e9:.3g} s"
    for large, small, unit, sub in ((60, 1, "min", "s"), (3_600, 60, "h", "min"), (86_400, 3_600, "d", "h")):
        if seconds < large * (24 if unit == "h" else 60) or unit == "d":
            return f"{seconds // large} {unit} {seconds % large // small} {sub}"
    raise AssertionError("days have no upper limit")


def clock(offset_ns: int) -> str:
    """By how much a host's clock is ahead of the collector's, or behind."""
    return f"{duration(abs(offset_ns))} {'ahead of' if offset_ns > 0 else 'behind'} the collector's clock"
