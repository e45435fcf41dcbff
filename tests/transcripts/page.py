"""docs/transcripts.md: written from transcripts, and read again."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from tests.paths import ROOT
from tests.transcripts.sections import SECTIONS, Line, Section

PAGE: Final = ROOT / "docs" / "transcripts.md"
#: It shows some of them, too.
README: Final = ROOT / "README.md"
AGAIN: Final = "make transcripts"
HEAD: Final = f"""\
# Transcripts

What each command prints in a terminal of 80 columns. Nothing here is written by
hand: `{AGAIN}` runs the commands and writes this page, and
a test runs them again and fails where one prints something else, but for
numbers, times and ids.

Two programs run on the host `web-1`. `tickets` is
[leak](../tests/fixtures/go/leak/main.go): 50 goroutines a second that wait for
ever, and as many that end. `gateway` is
[leaky/handler](../tests/fixtures/go/leaky/handler/main.go): a web service that
leaves a goroutine behind where the client is gone. All commands run as root;
[commands.md](commands.md) says what they do and which flags they have.
"""


def text(transcripts: Mapping[Line, str]) -> str:
    """The page."""
    return "\n".join([HEAD, *(_section(section, transcripts) for section in SECTIONS)])


def _section(section: Section, transcripts: Mapping[Line, str]) -> str:
    parts = [f"## {section.command}", *([section.says] if section.says else [])]
    parts += [f"```\n{transcripts[line]}\n```" for line in section.lines]
    return "\n\n".join(parts) + "\n"


def transcripts(page: str) -> dict[str, Sequence[str]]:
    """The transcripts of each section, by its command."""
    pieces = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return {
        command: re.findall(r"^```\n(\$ .*?)\n```$", body, re.MULTILINE | re.DOTALL)
        for command, body in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def renewed(readme: str, transcripts: Mapping[Line, str]) -> str:
    """A text in which each transcript of a line that the page has, too, is the page's."""
    new = {line.typed: transcript for line, transcript in transcripts.items()}

    def block(old: re.Match[str]) -> str:
        return f"```\n{new[old[1]]}\n```" if old[1] in new else old[0]

    return re.sub(r"^```\n\$ ([^\n]+)\n.*?^```$", block, readme, flags=re.MULTILINE | re.DOTALL)


def shown(page: str) -> dict[Line, str]:
    """The transcript of each line; empty for one that the page lacks."""
    known = transcripts(page)
    return {
        line: "".join(known.get(section.command, ())[at : at + 1])
        for section in SECTIONS
        for at, line in enumerate(section.lines)
    }
