"""Goroutine and goroutineleak profiles with debug=1: a paragraph per distinct stack, with its count."""

import re
from collections.abc import Iterator

from gosonde_collector.evidence.lines import MAX_FRAMES, Lines
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.errors import ProfileError, Refusal

START = (b"goroutine profile: total ", b"goroutineleak profile: total ")
HEADER = re.compile(r"(goroutine|goroutineleak) profile: total (\d{1,15})")
GROUP = re.compile(r"(\d{1,15}) @((?: 0x[0-9a-f]+)*)")
FRAME = re.compile(r"#\t0x[0-9a-f]+\t+(?P<function>[^\t]+?)\+0x[0-9a-f]+\t+(?P<file>[^\t]+):(?P<line>\d{1,9})")
#: A frame that the runtime has no symbol for, and the labels of the group.
IGNORED = re.compile(r"#\t0x[0-9a-f]+|# labels: .*")


def parse_debug1(data: bytes) -> GoroutineProfile:
    """Parses a whole file, which ends in an empty line.

    Raises:
        ProfileError: A line is not as expected, or the counts do not add up to the announced total (a file cut off
            between two lines).
    """
    lines = Lines(data)
    text = iter(lines)
    header = HEADER.fullmatch(next(text, ""))
    if not header:
        raise lines.error('is not "goroutine profile: total N" or "goroutineleak profile: total N"')
    profile = GoroutineProfile("debug=1", tuple(_groups(lines, text)), kind=header[1])
    if profile.goroutines != int(header[2]):
        raise ProfileError(
            f"the goroutine profile announces {header[2]} goroutines and shows {profile.goroutines}: it is cut off",
            Refusal.TRUNCATED,
        )
    return profile


def _groups(lines: Lines, text: Iterator[str]) -> Iterator[GoroutineGroup]:
    for line in text:
        if not line:
            continue
        group = GROUP.fullmatch(line)
        if not group or not int(group[1]):
            raise lines.error('is not "COUNT @ ADDRESSES"')
        yield GoroutineGroup(int(group[1]), tuple(_frames(lines, text)))


def _frames(lines: Lines, text: Iterator[str]) -> Iterator[Frame]:
    first = lines.number
    for line in text:
        if not line:
            return
        if lines.number - first > MAX_FRAMES:
            raise lines.error(f"is one of more than {MAX_FRAMES} frames")
        if frame := FRAME.fullmatch(line):
            yield Frame(frame["function"], frame["file"], int(frame["line"]))
        elif not IGNORED.fullmatch(line):
            raise lines.error("is not a frame")
    raise lines.error("is the last and not empty: the file is cut off behind it", Refusal.TRUNCATED)
