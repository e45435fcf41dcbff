"""The lines that a Go program writes for each garbage collection when it runs with GODEBUG=gctrace=1.

    gc 7 @0.104s 3%: 0.021+0.57+0.004 ms clock, 0.16+0.33/0.9/0+0.03 ms cpu, 4->4->1 MB, 5 MB goal, 0 MB stacks, 0 MB
    globals, 8 P

all in one line. Stacks and globals are there from Go 1.18 on.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gosonde_collector.evidence.cleaning import cleaned
from gosonde_collector.model.errors import ProfileError, Refusal

MAX_BYTES: Final = 4 << 20
MB: Final = 1 << 20
_MS: Final = r"(\d{1,9}(?:\.\d{1,9})?)"
LINE: Final = re.compile(
    rf"gc (?P<cycle>\d{{1,9}}) @(?P<at>\d{{1,9}}\.\d{{1,9}})s \d{{1,3}}%: {_MS}\+{_MS}\+{_MS} ms clock, "
    r"[\d.+/]{5,200} ms cpu, (?P<before>\d{1,9})->(?P<end>\d{1,9})->(?P<marked>\d{1,9}) MB, "
    r"(?P<goal>\d{1,20}) MB goal, "
    r"(?:(?P<stacks>\d{1,9}) MB stacks, \d{1,9} MB globals, )?\d{1,6} P(?P<forced> \(forced\))?"
)
#: Where a line begins that claims to be one of them; others' words may stand before and behind.
START: Final = re.compile(r"gc \d+ @\d")
#: A goal is this at most; what the runtime prints with GOGC=off means that there is none.
MAX_GOAL: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class GcTraceLine:
    """One garbage collection.

    Attributes:
        cycle: From 1.
        at_ns: When it began, since the program's runtime started; to the millisecond.
        sweep_termination_ns: The first stop-the-world pause.
        mark_termination_ns: The second one.
        heap_before_bytes: When it began. Heap sizes are whole MiB.
        heap_end_bytes: When marking ended.
        heap_marked_bytes: What is in use still.
        goal_bytes: The size at which it was to be done; more than any memory with GOGC=off.
        stacks_bytes: Goroutines' stacks; None before Go 1.18.
        forced: The program or the runtime's clock asked for it.
    """

    cycle: int
    at_ns: int
    sweep_termination_ns: int
    mark_termination_ns: int
    heap_before_bytes: int
    heap_end_bytes: int
    heap_marked_bytes: int
    goal_bytes: int
    stacks_bytes: int | None
    forced: bool

    @property
    def stopped_ns(self) -> int:
        """Both stop-the-world pauses together."""
        return self.sweep_termination_ns + self.mark_termination_ns


@dataclass(frozen=True, slots=True)
class GcTrace:
    """What a piece of a log says.

    Attributes:
        lines: In their order.
        others: How many other lines there are.
        torn: How many of these begin as the runtime's do: another thread wrote in between, or they are cut off.
    """

    lines: tuple[GcTraceLine, ...]
    others: int
    torn: int = 0


def parse_gctrace(data: bytes) -> GcTrace:
    """Parses whole lines of one process's standard error, whatever a logger put around them.

    Raises:
        ProfileError: It is too large, or its cycles go backwards: two processes wrote it, or one that restarted.
    """
    if len(data) > MAX_BYTES:
        raise ProfileError(f"the gctrace log is larger than {MAX_BYTES} bytes; send it in pieces", Refusal.TOO_LARGE)
    text, _ = cleaned(data)
    found: list[GcTraceLine] = []
    others = torn = 0
    for line in text.decode(errors="replace").splitlines():
        begins = START.search(line)
        here = [_line(match) for match in LINE.finditer(line, begins.start())] if begins else []
        found += here
        others += not here
        torn += bool(begins) and not here
    check_order(found)
    return GcTrace(tuple(found), others, torn)


def check_order(lines: Iterable[GcTraceLine]) -> None:
    """Raises ProfileError unless cycles and times go forward."""
    last: GcTraceLine | None = None
    for line in lines:
        if last and (line.cycle <= last.cycle or line.at_ns < last.at_ns):
            raise ProfileError(
                f"the gctrace log goes from cycle {last.cycle} back to {line.cycle}: it is of several processes, or "
                f"of one that restarted; push the lines of each process separately",
                Refusal.MISMATCHED,
            )
        last = line


def _line(match: re.Match[str]) -> GcTraceLine:
    sweep, _, mark = (round(float(match[group]) * 1e6) for group in (3, 4, 5))
    stacks = match["stacks"]
    return GcTraceLine(
        int(match["cycle"]),
        round(float(match["at"]) * 1e9),
        sweep,
        mark,
        int(match["before"]) * MB,
        int(match["end"]) * MB,
        int(match["marked"]) * MB,
        min(int(match["goal"]) * MB, MAX_GOAL),
        int(stacks) * MB if stacks else None,
        bool(match["forced"]),
    )
