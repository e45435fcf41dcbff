"""What can go wrong while another process's memory is read. Each error costs one reading, never the agent."""

from gosonde_common.errors import GosondeError, InvalidInputError, UnsupportedError


class UnreadableMemoryError(GosondeError):
    """An address that the process does not map, or no longer."""


class ImplausibleMemoryError(InvalidInputError):
    """What was read contradicts itself: a damaged or hostile process, or one that is not what its file says."""


class NotLocatedError(UnsupportedError):
    """A variable of the runtime was not found, or its address was not proved."""


class TargetChangedError(GosondeError):
    """The process ran another program (exec) or ended while it was read."""
