"""How errors end a command: a line on stderr and an exit code, here and only here."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gosonde_common import foreign
from gosonde_common.errors import GosondeError

#: Output that nobody reads any more, or that there is no room for.
NOT_WRITTEN: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO})
#: The exit code after Ctrl-C, as a shell has it.
INTERRUPTED: Final = 130
#: Characters of an error message at most.
MAX_MESSAGE = 16_384


@contextmanager
def exit_code_of_errors() -> Iterator[None]:
    """Raises SystemExit instead of a GosondeError, and says why in a line.

    Output that nobody reads any more, as of `gosonde ps | head -1`, ends a command without a word.
    """
    try:
        yield
        sys.stdout.flush()
    except GosondeError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno not in NOT_WRITTEN:
            raise
        if error.errno != errno.EPIPE:
            _say(f"cannot write to standard output: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail again at the end
        sys.exit(1)


def open_standard_streams() -> None:
    """Has the null device in place of standard streams that are closed: no file that is opened takes their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            file = os.open(os.devnull, os.O_RDWR)
            if file != number:
                os.dup2(file, number)
                os.close(file)
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))


def _say(text: str) -> None:
    print(f"gosonde: {foreign.shown(text, MAX_MESSAGE)}", file=sys.stderr)  # noqa: T201
