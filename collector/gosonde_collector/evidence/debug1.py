"""Goroutine and goroutineleak profiles with debug=1: a paragraph per distinct stack, with its count."""

import re
from collections.abc import Iterator

from gosonde_collector.evidence.lines import MAX_FRAMES, Lines
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile, Reading
from gosonde_collector.evidence.surroundings import kind_of
from gosonde_collector.model.errors import ProfileError, Refusal

HEADER = re.compile(r"\s*(goroutine|goroutineleak) profile: total (\d{1,15})")
GROUP = re.compile(r"\s*(\d{1,15}) @((?: 0x[0-9a-f]+)*)")
#: `#	0x482a80	main.serve+0x20	/srv/app/main.go:88`, in two halves: tabs may have become blanks.
CALL = re.compile(r"\s*#\s+(?P<address>0x[0-9a-f]+)\s+(?P<function>\S.*)")
PLACE = re.compile(r"\+0x[0-9a-f]+\s+(?P<file>\S.*):(?P<line>\d{1,9})")
#: A frame that the runtime has no symbol for, and the labels of the group.
IGNORED = re.compile(r"\s*#\s+(?:0x[0-9a-f]+|labels: .*)")


def parse_debug1(data: bytes) -> GoroutineProfile:
    """Parses a whole text; its last empty line, and the end of the line before, may be lost.

    Raises:
        ProfileError: A line is not as expected, or the counts do not add up to the announced total (a file cut off
            between two lines).
    """
    lines = Lines(data)
    text = iter(lines)
    found: dict[str, None] = {}
    passed = 0
    for line in text:
        if header := HEADER.fullmatch(line):
            break
        passed += bool(line)
    else:
        raise lines.error('is not "goroutine profile: total N" or "goroutineleak profile: total N"')
    groups = []
    for line in text:
        if group := GROUP.fullmatch(line):
            groups.append(_group(lines, text, group))
        elif kind := kind_of(line):
            found[kind] = None
        elif line.lstrip().startswith("#") or HEADER.fullmatch(line):
            raise lines.error('is not "COUNT @ ADDRESSES"')
        else:
            passed += bool(line)
    profile = GoroutineProfile("debug=1", tuple(groups), kind=header[1])
    if profile.goroutines != int(header[2]):
        raise ProfileError(
            f"the goroutine profile claims {header[2]} goroutines and shows {profile.goroutines}: it is cut off",
            Refusal.TRUNCATED,
        )
    end = "" if lines.whole else f"line {lines.number}, the last, has no line end: digits may be missing"
    return GoroutineProfile("debug=1", profile.groups, kind=header[1], reading=Reading(tuple(found), passed, end))


def _group(lines: Lines, text: Iterator[str], group: re.Match[str]) -> GoroutineGroup:
    if not int(group[1]):
        raise lines.error('is not "COUNT @ ADDRESSES"')
    addresses = group[2].split()
    return GoroutineGroup(int(group[1]), tuple(_frames(lines, text, addresses)))


def _frames(lines: Lines, text: Iterator[str], addresses: list[str]) -> Iterator[Frame]:
    first, last = lines.number, ""
    for line in text:
        if not line or kind_of(line):
            return
        if lines.number - first > MAX_FRAMES:
            raise lines.error(f"is one of more than {MAX_FRAMES} frames")
        frame, address = _frame(line)
        if lines.foreign or not (frame or IGNORED.fullmatch(line)):
            raise lines.error(lines.foreign or "is not a frame")
        last = address or last
        if frame:
            yield frame
    if not last or not _ends(last, addresses):
        raise lines.error("is the last and not empty: the file is cut off after it", Refusal.TRUNCATED)


def _frame(line: str) -> tuple[Frame | None, str]:
    call = CALL.fullmatch(line)
    if not call:
        return None, ""
    offset = call["function"].rfind("+0x")
    place = PLACE.fullmatch(call["function"], offset) if offset > 0 else None
    if not place:
        return None, ""
    return Frame(call["function"][:offset], place["file"], int(place["line"])), call["address"]


def _ends(last: str, addresses: list[str]) -> bool:
    """Whether a stack is whole whose outermost shown call is `last`: runtime.goexit, behind it, is never shown.

    What is shown is the call, what is listed is where it returns to.
    """
    return any(0 <= int(address, 16) - int(last, 16) <= 1 for address in addresses[-2:])
