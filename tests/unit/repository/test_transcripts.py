"""docs/transcripts.md has every command, fits its terminal, and is compared by its words."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from gosonde_cli import cli
from rich.cells import cell_len

from tests.transcripts import likeness, page, running
from tests.transcripts.sections import SECTIONS

TEXT = page.PAGE.read_text()


def names(group: Any, prefix: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from names(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


def test_every_command_has_a_section_with_a_transcript_and_no_other_has() -> None:
    shown = page.transcripts(TEXT)
    assert set(shown) == {"gosonde", *names(typer.main.get_command(cli.app()), "gosonde")}
    assert all(
        (texts and texts[0].startswith(f"$ {command} ")) or texts[0].startswith(f"$ {command}\n")
        for command, texts in shown.items()
    )


def test_the_page_has_the_lines_and_the_words_that_the_scene_writes() -> None:
    assert page.text(page.shown(TEXT)) == TEXT
    assert [len(texts) for texts in page.transcripts(TEXT).values()] == [len(section.lines) for section in SECTIONS]


def test_the_readme_shows_the_same_transcripts() -> None:
    readme = page.README.read_text()
    assert page.renewed(readme, page.shown(TEXT)) == readme
    assert "$ gosonde leaks gateway" in readme
    assert "$ gosonde trace tickets" in readme


def test_no_line_is_longer_than_the_terminal_is_wide() -> None:
    assert [line for line in TEXT.splitlines() if cell_len(line) > running.COLUMNS] == []


def test_no_transcript_shows_the_machine_that_made_it() -> None:
    assert re.findall(r"/(?:root|home|tmp|work|usr)/\S*", TEXT) == []


SAME = {
    "a line that a number filled, above one that begins something": (
        f"    of 9 that {'were ' * 12}there\n12 can never run again",
        f"    of 9 that {'were ' * 12}there\n1,234,567 can never run again",
    ),
    "numbers and times": (
        "12 live for 3.1 s since 2026-11-29 13:18:41 UTC",
        "9,345 live for 2 min 4 s since 2027-01-02 03:04:05 UTC",
    ),
    "rows in another order": ("LIVE  AT\n   1  …/a/b.go:7\n   2  main.go:8", "LIVE  AT\n 100  main.go:8\n   3  b.go:7"),
    "a number that breaks a line": (
        "the goroutines of this statement wait in the function that is called main.b 1\n  and no other",
        "the goroutines of this statement wait in the function that is called main.b\n  100,000 and no other",
    ),
    "how many rows a wide table has": (
        "LIVE  AT\n" + "\n".join(f"{n:>4}  {'a' * 60}/main.go:{n}" for n in range(9)),
        f"LIVE  AT\n   1  {'a' * 60}/main.go:7",
    ),
    "a stop of the world that a collection does not need": (
        "GC mark termination 5 times, median 0.1, 99th percentile 0.2, longest 0.2 ms",
        (
            "GC mark termination 6 times, median 0.2, 99th percentile 0.3, longest 0.4 ms"
            "; all goroutines stack trace 2 times, median 0.3, 99th percentile 0.4, longest 1.4 ms"
        ),
    ),
    "room before numbers": ("      134  main.leak\n", "    1,555  main.leak\n"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_differs_from_run_to_run_is_no_difference(one: str, other: str) -> None:
    assert likeness.plain(one) == likeness.plain(other)


OTHER = {
    "a word": ("12 live for 3.1 s", "12 alive for 3.1 s"),
    "a column": ("LIVE  AT\n   1  b.go:7", "LIVE  PLACE\n   1  b.go:7"),
    "the order of columns": ("LIVE  AT\n   1  b.go:7", "AT     LIVE\nb.go:7    1"),
    "a row": ("LIVE  AT\n   1  b.go:7", "LIVE  AT\n   1  b.go:7\n   1  c.go:7"),
    "an indent": ("cause\n  channel", "cause\n    channel"),
    "where a sentence without numbers breaks": ("nobody\nreceives", "nobody receives"),
}


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_what_a_person_would_notice_is_a_difference(one: str, other: str) -> None:
    assert likeness.plain(one) != likeness.plain(other)


def test_what_a_terminal_has_written_over_is_not_shown() -> None:
    assert running.seen("\x1b[?25la bar 10 %\r\x1b[2Ka bar 99 %\r\n\x1b[1A\x1b[2K\x1b[1mdone\x1b[0m\r\n") == [
        "done",
        "",
    ]
