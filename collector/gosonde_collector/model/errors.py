"""What the collector raises on purpose."""

from enum import StrEnum

from gosonde_common.errors import GosondeError, InvalidInputError, OverloadedError, UnavailableError


class BatchError(InvalidInputError):
    """A batch, or the hello before it, breaks the protocol. The message says which column and which row."""


class Refusal(StrEnum):
    """Why evidence is refused, as the metric gosonde_collector_evidence_refused_total names it."""

    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    UNKNOWN_KIND = "unknown_kind"
    #: Of another process or another build.
    MISMATCHED = "mismatched"
    #: From the future, or from a time when the process did not run.
    UNTIMELY = "untimely"
    UNKNOWN_PROCESS = "unknown_process"
    #: It came too slowly, or there was no room for it.
    NOT_TAKEN = "not_taken"


class ProfileError(InvalidInputError):
    """A profile or a gctrace log is damaged, cut off, too large, of no known kind, or another process's.

    Attributes:
        reason: Which of these.
    """

    def __init__(self, message: str, reason: Refusal = Refusal.MALFORMED) -> None:
        super().__init__(message)
        self.reason = reason


class StoreError(GosondeError):
    """The store cannot be opened, read or written."""


class DamagedStoreError(StoreError):
    """What the store's files hold is not what was written. No restart repairs that."""

    exit_code = 3


class DiskFullError(OverloadedError):
    """There is too little room on the disk of the data folder; nothing is stored until there is more."""


class SnapshotError(GosondeError):
    """An agent did not take the snapshot that it was asked for, or sent something else. The message says which."""


class Undelivered(StrEnum):
    """Why something was not delivered, as the metric gosonde_collector_outward_failures_total names it."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    #: No encrypted connection, as with a certificate of nobody who is trusted.
    TLS = "tls"
    #: The answer is no HTTP.
    PROTOCOL = "protocol"
    #: To another place, where nothing is sent.
    REDIRECT = "redirect"
    #: Status 429 or 503: it wants less.
    BUSY = "busy"
    #: Status 400, 413 or 422: it will never take this.
    REFUSED = "refused"
    #: Any other status.
    STATUS = "status"
    #: A file with a secret cannot be used.
    SECRET = "secret"  # noqa: S105 - a name
    #: The template makes no document of it.
    TEMPLATE = "template"


class DeliveryError(UnavailableError):
    """Something that the collector sends to others did not get there.

    Attributes:
        reason: Why.
        retry_after_s: For how long the receiver wants nothing; 0 where it does not say.
    """

    def __init__(self, message: str, reason: Undelivered, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_s = retry_after_s
