"""Goroutines one by one: what /debug/pprof/goroutine?debug=2 answers, and what a runtime prints as it dies.

Lines that belong to no goroutine are passed over and counted; a goroutine that lacks its end is left out.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from gosonde_collector.evidence.lines import MAX_FRAMES, Lines
from gosonde_collector.evidence.model import CUT, Frame, GoroutineGroup, GoroutineProfile, Reading
from gosonde_collector.evidence.surroundings import kind_of
from gosonde_collector.model.errors import ProfileError, Refusal

#: `goroutine 7 [chan receive, 3 minutes, locked to thread]:`; GOTRACEBACK=system writes `gp=... m=...` before the
#: bracket, Go 1.27 writes labels behind it.
HEADER: Final = re.compile(r"(?:\s|<\w{1,10}>|`)*goroutine (?P<goid>\d{1,18}) [^\[]*\[(?P<state>[^\]]+)\].*:")
WAIT: Final = re.compile(r"(\d{1,9}) minutes")
#: `main.serve(0xc000012345, ...)`: what stands before the last parenthesis is the function.
CALL: Final = re.compile(r"\s*(?P<function>\S.*)\((?P<arguments>[^()]*)\)")
ARGUMENTS: Final = re.compile(r"[0-9a-fx{},.?_ ]*")
#: Behind a state while the collector of garbage looks at the stack (runtime.goroutineheader).
SCAN: Final = " (scan)"
#: Tabs become blanks, `#011` (rsyslog) or nothing on their way.
PLACE: Final = re.compile(r"\s*(?:#011|\\t)?(?P<file>\S.*?):(?P<line>\d{1,9})(?P<offset> \+0x[0-9a-f]+.*)?")
C_PLACE: Final = re.compile(r"\s*(?:#011|\\t)?(?:\S.* )?pc=0x[0-9a-f]+.*")
CREATED: Final = re.compile(r"\s*created by (?P<function>\S.*?)(?: in goroutine \d+)?")
#: Lines that stand for frames that are not shown.
IGNORED: Final = re.compile(
    r"\s*(?:\.\.\..*elided\.\.\.|goroutine running on other thread; stack unavailable|stack not read)"
)
EXIT: Final = "runtime.goexit"
#: Functions that a stack without a go statement ends in.
FIRST: Final = ("main.main", "runtime.main", EXIT)
#: The size at which Go's own handler stops (runtime/pprof.writeGoroutineStacks).
GO_CUTS_AT: Final = 64 << 20
CUT_BY_GO: Final = (
    "cut by Go itself, whose debug=2 stops at 64 MiB: later goroutines are missing; debug=0 or debug=1 shows all"
)


@dataclass(slots=True)
class _Open:
    """A goroutine whose end has not come; `wants` is a function that lacks its place yet."""

    goid: int
    state: str
    minutes: int
    frames: list[Frame] = field(default_factory=list)
    created_by: Frame | None = None
    wants: str = ""
    creating: bool = False
    lines: int = 0


class _Dump:
    """Takes one line after the other."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._goroutine: _Open | None = None
        self._c_function = False
        self._aside = False
        self._seen: set[int] = set()
        self.goids: dict[GoroutineGroup, list[int]] = {}
        self.waits: dict[GoroutineGroup, int] = {}
        self.recognized: dict[str, None] = {}
        self.passed_over = 0
        self.problem: ProfileError | None = None
        self.cut = ""

    def take(self, line: str) -> None:
        """The next line."""
        if not line:
            return
        if self._lines.foreign:
            self._pass_over(self._lines.foreign)
        elif header := HEADER.fullmatch(line):
            self._close()
            self._begin(header)
        elif kind := kind_of(line):
            self._close()
            self.recognized[kind] = None
            self._aside = kind == "stack of the runtime"
        elif not self._goroutine:
            self.passed_over += not self._aside
        elif not self._continues(self._goroutine, line):
            self._pass_over(
                f'names no "FILE:LINE" for {self._goroutine.wants}'
                if self._goroutine.wants
                else "is neither a call nor a go statement"
            )

    def _begin(self, header: re.Match[str]) -> None:
        state, *rest = header["state"].split(", ")
        waits = (WAIT.fullmatch(part) for part in rest)
        state = state.removesuffix(SCAN)
        self._goroutine = _Open(int(header["goid"]), state, next((int(wait[1]) for wait in waits if wait), 0))
        self._aside = False

    def _continues(self, goroutine: _Open, line: str) -> bool:
        """Takes a line of the goroutine in; False when it is none."""
        goroutine.lines += 1
        if goroutine.wants and (place := PLACE.fullmatch(line)):
            self._place(goroutine, place)
        elif created := CREATED.fullmatch(line):
            goroutine.wants, goroutine.creating = created["function"], True
        elif not goroutine.created_by and (function := _called(line)):
            goroutine.wants, goroutine.creating = function, False
        elif C_PLACE.fullmatch(line):
            self.recognized["C frames"] = None
            self.passed_over -= self._c_function
            self._c_function = False
        elif line.strip() == "non-Go function":
            self._c_function = False
        else:
            return bool(IGNORED.fullmatch(line))
        return True

    def _place(self, goroutine: _Open, place: re.Match[str]) -> None:
        frame = Frame(goroutine.wants, place["file"], int(place["line"]))
        if not self._lines.whole and not place["offset"]:
            return
        if goroutine.creating:
            goroutine.created_by = frame
        elif len(goroutine.frames) >= MAX_FRAMES:
            raise self._lines.error(f"is one of more than {MAX_FRAMES} frames")
        else:
            goroutine.frames.append(frame)
        goroutine.wants, goroutine.creating = "", False

    def _pass_over(self, problem: str) -> None:
        self.passed_over += 1
        self._c_function = True
        self.problem = self.problem or self._lines.error(problem)

    def _close(self) -> None:
        """The goroutine has its end, or another line begins something else."""
        goroutine, self._goroutine = self._goroutine, None
        if not goroutine:
            return
        if not goroutine.goid:
            self.recognized["the runtime's own goroutine 0, left out"] = None
        elif goroutine.goid in self._seen:
            self.recognized["goroutines that are shown again, counted once"] = None
        else:
            self._seen.add(goroutine.goid)
            self._keep(goroutine)

    def _keep(self, goroutine: _Open) -> None:
        frames = tuple(_without_wrappers(goroutine.frames, goroutine.created_by))
        group = GoroutineGroup(1, frames, goroutine.created_by, goroutine.state)
        self.goids.setdefault(group, []).append(goroutine.goid)
        self.waits[group] = max(self.waits.get(group, 0), 60 * goroutine.minutes)

    def finish(self, *, ended: bool) -> None:
        """The file is at its end, behind the end of a line or not."""
        goroutine = self._goroutine
        if not goroutine:
            return
        whole = goroutine.created_by or any(frame.function in FIRST for frame in goroutine.frames[-1:])
        if goroutine.wants or not goroutine.lines or not (ended or whole):
            where = "is cut off: the file ends within it" if not ended else "is the last: the file is cut off after it"
            error = self._lines.error(where, Refusal.TRUNCATED)
            self.cut = f"the file ends within goroutine {goroutine.goid}, at line {self._lines.number}"
            self.problem = self.problem or error
            self._goroutine = None
        self._close()


def _without_wrappers(frames: list[Frame], created_by: Frame | None) -> list[Frame]:
    """The frames that pprof shows: a dying runtime may show runtime.goexit, and what the compiler wraps around calls.

    The wrapper of `go f(x)` is `.gowrap1`, `·dwrap·1` up to Go 1.20, and in 1.21 `.func1` at the statement's own line.
    """
    dying = bool(frames) and frames[-1].function == EXIT
    while dying and len(frames) > 1:
        last = frames[-1]
        name = last.function
        wraps = ".gowrap" in name or "·dwrap·" in name or (".func" in name and _is_place(last, created_by))
        if name != EXIT and not wraps:
            break
        frames = frames[:-1]
    return frames


def _is_place(frame: Frame, created_by: Frame | None) -> bool:
    return created_by is not None and (frame.file, frame.line) == (created_by.file, created_by.line)


def _called(line: str) -> str:
    """The function of a line that is a call; a log line that ends in a word in parentheses is none."""
    call = CALL.fullmatch(line)
    if not call or not ARGUMENTS.fullmatch(call["arguments"]):
        return ""
    function = call["function"]
    return "" if any(map(str.isspace, function)) and "[" not in function else function


def parse_debug2(data: bytes, *, partial: bool = False, size: int | None = None) -> GoroutineProfile:
    """Parses a whole text; goroutines with the same state, stack and go statement become one group.

    A file cut off between two lines cannot be distinguished from a whole one everywhere, because it announces no total.

    Args:
        data: The text.
        partial: Whether to take a text that ends within a goroutine; one that Go itself cut is taken always.
        size: Of the text as it came, when something around its lines was removed.

    Raises:
        ProfileError: There is no goroutine that can be read; the message names the first line that cannot. Or the text
            is cut off, and `partial` is not set.
    """
    lines = Lines(data)
    dump = _Dump(lines)
    for line in lines:
        dump.take(line)
    dump.finish(ended=lines.whole)
    groups = tuple(
        replace(g, count=len(known), wait_s=dump.waits[g], goids=tuple(known)) for g, known in dump.goids.items()
    )
    by_go = (len(data) if size is None else size) == GO_CUTS_AT  # one cut in some forty falls behind a line
    if dump.problem and not any(group.frames or group.created_by for group in groups):
        raise dump.problem
    if dump.cut and not (partial or by_go):
        raise lines.error(f"is cut off: {dump.cut}; gosonde pprof show reads what is there", Refusal.TRUNCATED)
    cut = CUT_BY_GO if by_go else dump.cut
    reading = Reading(tuple(dump.recognized), dump.passed_over, cut)
    return GoroutineProfile(CUT if cut else "debug=2", groups, reading=reading)
