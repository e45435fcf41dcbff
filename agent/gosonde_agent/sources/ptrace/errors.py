"""Why a process is not stopped. In each case it runs on as before."""

from gosonde_common.errors import GosondeError, UnsupportedError


class AlreadyTracedError(UnsupportedError):
    """Another program (a debugger, strace) traces it: the kernel allows one at a time."""


class TooManyThreadsError(UnsupportedError):
    """It has more threads than are stopped at once."""


class NotStoppedError(GosondeError):
    """Not all of its threads stood, or not all was taken, before the deadline. Another try may succeed."""


class TextChangedError(UnsupportedError):
    """The text of a process is not what its file has: another program's breakpoint or uprobe is there."""


class UnguardedTextError(UnsupportedError):
    """Nobody could take the breakpoints out if the one who has put them in were killed."""


class TooBusyError(UnsupportedError):
    """It creates more goroutines than breakpoints may be hit without harm."""
