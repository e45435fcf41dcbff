"""Manual pages and completion are made from the command's own texts."""

from typing import Any

import pytest
import typer
from gosonde_cli import cli, completion, manual
from typer.core import TyperGroup
from typer.testing import CliRunner

PAGES = dict(manual.pages(cli.app()))


def options(page: str) -> set[str]:
    lines = [line.replace("\\-", "-") for line in page.splitlines() if line.startswith(".B \\-")]
    return {word.strip(",") for line in lines for word in line.split() if word.startswith("-")}


def walk(command: Any, name: str) -> dict[str, Any]:
    inner = command.commands if isinstance(command, TyperGroup) else {}
    return {name: command} | {key: one for word in inner for key, one in walk(inner[word], f"{name}-{word}").items()}


def test_each_command_has_a_page_with_each_of_its_options() -> None:
    commands = walk(typer.main.get_command(cli.app()), "gosonde")
    assert set(PAGES) == set(commands)
    for name, command in commands.items():
        named = {option for param in command.params if param.param_type_name == "option" for option in param.opts}
        assert options(PAGES[name]) == named, name


def test_the_page_of_gosonde_names_each_command() -> None:
    assert ".SH COMMANDS\n.TP\n.B ps\nList the Go processes" in PAGES["gosonde"]


def test_the_page_of_check_says_with_what_it_exits_when_goroutines_leak() -> None:
    assert ".B 1\nGoroutines leak." in PAGES["gosonde-check"]
    assert ".B 1\nFailed: the message says why." in PAGES["gosonde-trace"]


def test_what_roff_would_take_for_its_own_stands_in_a_page_as_it_is() -> None:
    assert manual.escaped(".SH a-b \\n\n'x") == "\\&.SH a\\-b \\(rsn\n\\&'x"


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_command_prints_what_a_shell_reads(shell: str) -> None:
    said = CliRunner().invoke(cli.app(), ["--completion", shell])
    assert said.exit_code == 0
    assert f"{completion.ASKED}=complete_{shell}" in said.stdout


def test_a_shell_that_it_does_not_know_is_wrong_usage_that_names_those_it_knows() -> None:
    said = CliRunner().invoke(cli.app(), ["--completion", "tcsh"])
    assert said.exit_code == 2
    assert "bash, zsh, fish" in said.stderr


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("", ""), ("gosonde", ""), ("gosonde tr", ""), ("gosonde trace ", "trace"), ("gosonde trace '--so", "trace")],
)
def test_only_the_command_that_the_line_has_is_imported(line: str, wanted: str) -> None:
    assert completion.subcommand(line) == wanted
