"""systemd's journal takes a line's level from a number before it, where standard error leads there."""

import contextlib
import os

STDERR = 2
#: Syslog's numbers for the levels of our logs.
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def prefix(level: str) -> str:
    """What comes before a line of this level; nothing where standard error is not the journal."""
    return f"<{PRIORITIES[level]}>" if _is_behind_stderr() else ""


def _is_behind_stderr() -> bool:
    """systemd says which file it is: a variable that was inherited says nothing of a stream that leads elsewhere."""
    with contextlib.suppress(OSError):
        file = os.fstat(STDERR)
        return os.environ.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"
    return False
