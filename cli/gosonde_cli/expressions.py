"""Regular expressions of whoever runs the command, against names of whoever made the program: they end in time."""

import re
import signal
from types import FrameType
from typing import Final, NoReturn

from gosonde_common.errors import UsageError
from gosonde_common.values.goroutines import Location

#: Characters of an expression, and of a name that is looked at.
MOST_EXPRESSION: Final = 1_000
MOST_NAME: Final = 4_096
#: For one call.
SECONDS: Final = 1.0
#: Calls whose answer is kept.
MOST_KEPT: Final = 100_000


class Expression:
    """Says of calls whether their function, or their file, contains what an expression describes, as pprof does.

    Args:
        option: What it was given to.

    Raises:
        UsageError: It is none, or too long.
    """

    def __init__(self, option: str, text: str) -> None:
        if len(text) > MOST_EXPRESSION:
            raise UsageError(f"{option}: the expression has more than {MOST_EXPRESSION:,} characters")
        try:
            self._compiled = re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            raise UsageError(f"{option} {text!r} is no regular expression: {error}") from error
        self._option = option
        self._known: dict[Location, bool] = {}

    def matches(self, call: Location) -> bool:
        """Whether it is in the call's function or file.

        Raises:
            UsageError: Looking takes more than a second.
        """
        known = self._known.get(call)
        if known is None:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            known = self._known[call] = self._look(call)
        return known

    def _look(self, call: Location) -> bool:
        """Python's matching asks for signals now and then, so that an alarm ends it."""
        before = signal.signal(signal.SIGALRM, self._late)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            return any(self._compiled.search(text[:MOST_NAME]) for text in (call.function, call.file))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _late(self, _number: int, _frame: FrameType | None) -> NoReturn:
        raise UsageError(f"{self._option} takes more than a second for one name: write a simpler expression")
