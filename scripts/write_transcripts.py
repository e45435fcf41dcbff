"""Runs every command in a terminal of 80 columns, beside two programs that leak, and writes docs/transcripts.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.paths import ROOT
from tests.transcripts import page, place


def main() -> int:
    """Exit code 0 when the page was written."""
    played = place.enter(str(place.REPOSITORY / page.PAGE.relative_to(ROOT)))
    print(played.stdout, end="")
    return played.returncode


if __name__ == "__main__":
    sys.exit(main())
