"""Why a process is not stopped. In each case it runs on as before."""

from gosonde_common.errors import GosondeError, UnsupportedError


class AlreadyTracedError(UnsupportedError):
    """Another program (a debugger, strace) traces it: the kernel allows one at a time."""


class TooManyThreadsError(UnsupportedError):
    """It has more threads than are stopped at once."""


class NotStoppedError(GosondeError):
    """Not all of its threads stood, or not all was taken, before the deadline. Another try may succeed."""
