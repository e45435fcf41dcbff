"""`python -m tests.transcripts.play PAGE` writes the page; with `--check` it says what a page has that is not so now.

It runs where `place.enter` has it run.
"""

import difflib
import signal
import sys
from pathlib import Path

from tests.transcripts import likeness, page, scene
from tests.transcripts.sections import Line


def write(path: Path) -> int:
    """Writes the page, and what README.md shows of it; exit code 0."""
    found = dict(scene.play(lambda _line, _text: True))
    path.write_text(page.text(found))
    page.README.write_text(page.renewed(page.README.read_text(), found))
    return 0


def check(path: Path) -> int:
    """Prints in which lines the page differs from what commands print now; exit code 1 when one does."""
    shown = page.shown(path.read_text())
    found = {
        line.typed: lines
        for line, text in scene.play(lambda line, text: not difference(line, shown[line], text))
        if (lines := difference(line, shown[line], text))
    }
    for typed, lines in found.items():
        said = (f"`{typed}` prints something else than {path.name} shows (-: the page, +: now):", *lines)
        sys.stdout.write("\n".join((*said, "")))
    if found:
        sys.stdout.write(f"`{page.AGAIN}` writes the page again.\n")
    return 1 if found else 0


def difference(line: Line, shown: str, now: str) -> list[str]:
    """Of two transcripts, the lines that one of them lacks, without numbers."""
    before, after = (likeness.plain(line.compared(text)) for text in (shown, now))
    return [one for one in difflib.unified_diff(before, after, n=1, lineterm="") if not one.startswith(("---", "+++"))]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    *flags, name = sys.argv[1:]
    sys.exit((check if flags else write)(Path(name)))
