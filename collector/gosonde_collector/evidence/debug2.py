"""The text that /debug/pprof/goroutine?debug=2 answers: each goroutine's traceback and its go statement."""

import re
from collections.abc import Iterator
from dataclasses import replace

from gosonde_collector.evidence.lines import MAX_FRAMES, Lines
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.errors import Refusal

#: `goroutine 7 [chan receive, 3 minutes, locked to thread]:`; GOTRACEBACK=system writes `gp=... m=...` before the
#: bracket, Go 1.27 writes labels behind it.
HEADER = re.compile(r"goroutine (?P<goid>\d{1,18}) [^\[]*\[(?P<state>[^\]]+)\].*:")
WAIT = re.compile(r"(\d{1,9}) minutes")
#: `main.serve(0xc000012345, ...)`: what stands before the last parenthesis is the function.
CALL = re.compile(r"(?P<function>\S.*)\([^()]*\)")
PLACE = re.compile(r"\t(?P<file>.+?):(?P<line>\d{1,9})(?: \+0x[0-9a-f]+.*)?")
CREATED = re.compile(r"created by (?P<function>\S.*?)(?: in goroutine \d+)?")
#: Lines that stand for frames that are not shown.
IGNORED = re.compile(r"\.\.\..*elided\.\.\.|\tgoroutine running on other thread; stack unavailable")


def parse_debug2(data: bytes) -> GoroutineProfile:
    """Parses a whole file; goroutines with the same state, stack and go statement become one group.

    A file cut off between two lines cannot be told from a whole one everywhere, because it announces no total.

    Raises:
        ProfileError: A line is not as expected.
    """
    lines = Lines(data)
    text = iter(lines)
    goids: dict[GoroutineGroup, list[int]] = {}
    waits: dict[GoroutineGroup, int] = {}
    for header in text:
        if not header:
            continue
        goid, state, minutes = _header(lines, header)
        group = _goroutine(lines, text, state)
        goids.setdefault(group, []).append(goid)
        waits[group] = max(waits.get(group, 0), 60 * minutes)
    groups = (replace(g, count=len(known), wait_s=waits[g], goids=tuple(known)) for g, known in goids.items())
    return GoroutineProfile("debug=2", tuple(groups))


def _header(lines: Lines, line: str) -> tuple[int, str, int]:
    header = HEADER.fullmatch(line)
    if not header:
        raise lines.error('is not "goroutine N [STATE]:"')
    state, *rest = header["state"].split(", ")
    waits = (WAIT.fullmatch(part) for part in rest)
    return int(header["goid"]), state, next((int(wait[1]) for wait in waits if wait), 0)


def _goroutine(lines: Lines, text: Iterator[str], state: str) -> GoroutineGroup:
    first = lines.number
    frames: list[Frame] = []
    created_by = None
    for line in text:
        if not line:
            break
        if len(frames) >= MAX_FRAMES:
            raise lines.error(f"is one of more than {MAX_FRAMES} frames")
        if created := CREATED.fullmatch(line):
            created_by = _place(lines, text, created["function"])
        elif call := CALL.fullmatch(line):
            frames.append(_place(lines, text, call["function"]))
        elif not IGNORED.fullmatch(line):
            raise lines.error("is neither a call nor a go statement")
    if lines.number == first:
        raise lines.error("is the last: the file is cut off behind it", Refusal.TRUNCATED)
    return GoroutineGroup(1, tuple(frames), created_by, state)


def _place(lines: Lines, text: Iterator[str], function: str) -> Frame:
    place = PLACE.fullmatch(next(text, ""))
    if not place:
        raise lines.error(f'names no "FILE:LINE" for {function}')
    return Frame(function, place["file"], int(place["line"]))
