"""What can go wrong with one target or on this host. Each error costs one target, never the agent."""

from gosonde_common.errors import (
    GosondeError,
    InvalidInputError,
    NotFoundError,
    UnsupportedError,
)


class NotGoError(UnsupportedError):
    """The file is no Go binary, or nothing in it says so."""


class UnsupportedBinaryError(UnsupportedError):
    """A Go binary that is not supported: too old, 32-bit, a foreign architecture, an unknown layout."""


class MalformedBinaryError(InvalidInputError):
    """The file contradicts itself: a length, an offset or a table that cannot be right."""


class UnprovedProbePointError(UnsupportedError):
    """No instruction of the function is proved to be a safe place for a probe."""


class NoSuchProcessError(NotFoundError):
    """There is no such process, or it has just ended."""


class NotPermittedError(UnsupportedError):
    """The kernel refuses: privileges are missing, or it is locked down."""


class OldKernelError(UnsupportedError):
    """The kernel lacks what the probes need."""


class RefusedError(UnsupportedError):
    """The agent's helper does not do what it was asked for: it is not among the few things that it does."""


class ProbeError(GosondeError):
    """The kernel did not take a probe or a BPF program for another reason than missing privileges."""


class SpoolError(GosondeError):
    """The spool on disk cannot be opened or written. The message says why."""


class UnreadableFileError(UnsupportedError):
    """A file that is there cannot be opened or read: its file system does not answer, or limits are reached."""


class TooManyFilesError(UnsupportedError):
    """So many files have probes already that one more gets none."""


class UnguardedFileError(UnsupportedError):
    """Nothing keeps a file from being overwritten while probes are in it."""


class BusyDebugRegistersError(UnsupportedError):
    """A thread has no debug register left for a breakpoint."""


class TooManyThreadsError(UnsupportedError):
    """A process has so many threads that this one may not open what it needs for each."""
