"""What the collector raises on purpose."""

from gosonde.errors import GosondeError, InvalidInputError, OverloadedError


class BatchError(InvalidInputError):
    """A batch, or the hello before it, breaks the protocol. The message says which column and which row."""


class ProfileError(InvalidInputError):
    """A pushed file is not a goroutine profile, is cut off, or is too large. The message says where."""


class StoreError(GosondeError):
    """The store cannot be opened, read or written."""


class DiskFullError(OverloadedError):
    """There is too little room on the disk of the data folder; nothing is stored until there is more."""


class SnapshotError(GosondeError):
    """An agent did not take the snapshot that it was asked for. The message has its reason."""
