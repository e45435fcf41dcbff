"""How errors end a command: a line on stderr and an exit code, here and only here."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gosonde_common import foreign
from gosonde_common.errors import GosondeError

#: Characters of an error message at most.
MAX_MESSAGE = 16_384


@contextmanager
def exit_code_of_errors() -> Iterator[None]:
    """Raises SystemExit instead of a GosondeError, and says why."""
    try:
        yield
    except GosondeError as error:
        print(f"gosonde: {foreign.shown(error, MAX_MESSAGE)}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
