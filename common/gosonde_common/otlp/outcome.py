"""What became of an export."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Reason(StrEnum):
    """Why an export failed, or what it was made of was dropped.

    Attributes:
        UNREACHABLE: No connection, or no encrypted one.
        TIMEOUT: No answer in time.
        OVERLOADED: The receiver asks to come back later.
        CREDENTIALS: The receiver does not accept who sends.
        REFUSED: The receiver does not accept what was sent, or part of it.
        CONFIGURATION: A file that the configuration names cannot be used.
        QUEUE: Too much waited to be sent.
        INTERNAL: It could not be put together; the log says why.
    """

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    CREDENTIALS = "credentials"
    REFUSED = "refused"
    CONFIGURATION = "configuration"
    QUEUE = "queue"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one request.

    Attributes:
        reason: Why it failed; None when it did not.
        message: What the receiver or the connection said; foreign.
        rejected: How many elements of a request that did not fail the receiver left out.
    """

    reason: Reason | None = None
    message: str = ""
    rejected: int = 0

    @property
    def is_final(self) -> bool:
        """Whether sending the same again would fail again."""
        return self.reason in {Reason.REFUSED, Reason.INTERNAL}


#: Until a request is on its way.
NOT_SENT: Final = Outcome(Reason.INTERNAL, "it was not sent")


def partial(success: Any) -> Outcome:  # noqa: ANN401 - of either service
    """What the partial_success of an answer says of elements that the receiver left out."""
    names = ("rejected_data_points", "rejected_log_records")
    rejected = max(getattr(success, name, 0) for name in names)
    return Outcome(message=success.error_message, rejected=max(rejected, 0))
