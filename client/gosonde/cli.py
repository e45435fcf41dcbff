"""The `gosonde` command: one subcommand a module in `gosonde.commands`; errors become exit codes here and only here."""

import sys

import typer

from gosonde import commands
from gosonde.errors import GosondeError

app = typer.Typer(
    name="gosonde",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def root() -> None:
    """Watches Go processes from outside: which go statements leak, and how long the GC stops the world."""


def main() -> None:
    """Runs the command; exits 0 done, 1 failed, 2 wrong usage, 3 not permitted or not supported here."""
    commands.register(app, next(iter(sys.argv[1:]), ""))
    try:
        app()
    except GosondeError as error:
        print(f"gosonde: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
