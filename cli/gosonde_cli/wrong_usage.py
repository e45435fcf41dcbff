"""A command line that makes no sense: said in one line, where typer takes five."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from gosonde_common.errors import UsageError

#: What typer raises for it.
WRONG_USAGE: Final[type[Exception]] = typer.BadParameter.__mro__[1]


@contextmanager
def as_usage_errors() -> Iterator[None]:
    """Raises what typer raises as a UsageError.

    Raises:
        UsageError: What is wrong, and where the command is described.
        SystemExit: typer has printed all of the help instead.
    """
    try:
        yield
    except WRONG_USAGE as error:
        raise _told(error) from error


def _told(error: Any) -> UsageError | SystemExit:  # noqa: ANN401 - of the click that typer has, which differs
    if not (message := error.format_message()):
        return SystemExit(UsageError.exit_code)
    command = error.ctx.command_path if error.ctx else "gosonde"
    return UsageError(f"{message.rstrip('.')}; {command} --help says what there is")
