"""The `gosonde` command: each module in `commands` is a subcommand."""

import sys
from typing import Annotated

import typer
from gosonde_common import __version__

from gosonde_cli import commands, completion
from gosonde_cli.exiting import exit_code_of_errors, open_standard_streams
from gosonde_cli.wrong_usage import as_usage_errors


def _say_version(value: bool) -> None:
    if value:
        typer.echo(f"gosonde {__version__}")
        raise typer.Exit


def root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    _completion: Annotated[
        str | None,
        typer.Option(
            "--completion",
            callback=completion.print_script,
            is_eager=True,
            metavar="SHELL",
            help="Print the completion script for bash, zsh or fish, and exit.",
        ),
    ] = None,
) -> None:
    """Watch Go processes from outside: find the go statements that leak, and measure GC pauses."""


def app(wanted: str = "") -> typer.Typer:
    """The command, with the subcommand that is named, or with all of them when that is none."""
    made = typer.Typer(
        name="gosonde",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    made.callback()(root)
    commands.register(made, wanted)
    return made


def main() -> None:
    """Runs the command; exits 0 done, 1 failed, 2 wrong usage, 3 not permitted or not supported here."""
    open_standard_streams()
    with exit_code_of_errors(), as_usage_errors():
        wanted = completion.prepare() if completion.is_asked() else next(iter(sys.argv[1:]), "")
        if code := app(wanted)(standalone_mode=False):
            sys.exit(code)
