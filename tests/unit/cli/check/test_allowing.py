from pathlib import Path

import pytest
from gosonde_cli.check import allowing
from gosonde_cli.suspects.verdict import Suspect
from gosonde_common.errors import UsageError


def suspect(function: str = "main.serve", file: str = "/src/shop/main.go", line: int = 12) -> Suspect:
    return Suspect(function, file, line, 50, 5.0, 0.0, "channel-send", "Make room.", ("50 more",))


def read(tmp_path: Path, text: str | bytes) -> list[allowing.Allowed]:
    path = tmp_path / "allow"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return allowing.read(path)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("main.serve", True),
        ("main.ser", False),
        ("main.*", True),
        ("main.serve */shop/main.go", True),
        ("main.serve */shop/main.go:12", True),
        ("main.serve */shop/main.go:13", False),
        ("main.serve */other.go", False),
        ("* /src/*", True),
    ],
)
def test_a_pattern_is_about_the_statements_that_it_names(tmp_path: Path, pattern: str, matches: bool) -> None:
    (allowed,) = read(tmp_path, pattern)
    assert allowed.matches(suspect()) is matches


@pytest.mark.parametrize("name", ["main.Map[...].run", "orders.(*Queue).Start", "main.serve.func1"])
def test_the_name_of_any_function_matches_itself_and_dots_are_no_wildcards(tmp_path: Path, name: str) -> None:
    (allowed,) = read(tmp_path, name)
    assert allowed.matches(suspect(name))
    assert not allowed.matches(suspect(name.replace(".", "x")))


def test_comments_and_empty_lines_mean_nothing_and_lines_are_counted_with_them(tmp_path: Path) -> None:
    (allowed,) = read(tmp_path, "# known\n\n  main.serve  \n")
    assert allowed.at.endswith("allow:3")
    assert allowed.text == "main.serve"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("main.serve main.go:12 more", "more than a function and a place"),
        ("main.serve main.go:x", "'x' in 'main.serve main.go:x' is no line number"),
        ("main.serve :12", "no line number"),
        ("main.serve main.go:0", "no line number"),
        ("a**b", "asterisks"),
        ("*a" * 9, "asterisks"),
        ("x" * 1_001, "more than 1,000 characters"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_line_that_makes_no_sense_is_an_error_with_file_and_line(tmp_path: Path, line: str | bytes, why: str) -> None:
    with pytest.raises(UsageError, match=r"allow:2: ") as error:
        read(tmp_path, b"main.fine\n" + (line.encode() if isinstance(line, str) else line))
    assert why in str(error.value)


def test_a_file_that_is_not_there_or_too_large_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: No such file"):
        allowing.read(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="more than 1,048,576 bytes"):
        read(tmp_path, "#" * (1 << 20) + "\n")
