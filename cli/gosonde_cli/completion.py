"""Completion in shells: the script that a shell reads, and what it asks the command for."""

import os
import shlex
from typing import Final

import typer

#: The environment variable by which a shell asks what a word may become.
ASKED: Final = "_GOSONDE_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish")
#: Where shells put the line so far: bash in the first, zsh and fish in the second.
LINES: Final = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")


def is_asked() -> bool:
    """Whether a shell runs this command for what a word may become."""
    return ASKED in os.environ


def prepare() -> str:
    """Has the command answer a shell. Returns the subcommand that the line has so far, or an empty string."""
    from typer._completion_classes import completion_init  # noqa: PLC0415, PLC2701 - the public way adds two flags

    completion_init()
    return subcommand(next((os.environ[name] for name in LINES if name in os.environ), ""))


def subcommand(line: str) -> str:
    """The second word of a command line that is being typed, if another begins behind it; else an empty string."""
    try:
        words = shlex.split(line)
    except ValueError:  # within quotes
        words = line.split()
    return words[1] if len(words) > 2 or (len(words) == 2 and line.endswith(" ")) else ""


def script(shell: str) -> str:
    """What one of SHELLS is to read."""
    from typer._completion_shared import get_completion_script  # noqa: PLC0415, PLC2701

    return get_completion_script(prog_name="gosonde", complete_var=ASKED, shell=shell)


def print_script(shell: str | None) -> None:
    """Prints what a shell is to read, and ends the command.

    Raises:
        typer.BadParameter: That is none of SHELLS.
    """
    if shell is None:
        return
    if shell not in SHELLS:
        raise typer.BadParameter(f"{shell!r} is none of {', '.join(SHELLS)}")
    typer.echo(script(shell))
    raise typer.Exit
