"""What every kind of receiver of alerts is able to do."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from gosonde_common.ratelimit import Rates

from gosonde_collector.model.errors import DeliveryError, Undelivered
from gosonde_collector.outward.alerts.ledger import Manner, Message

MOST_SECRET_BYTES: Final = 4_096


class Receiver(Protocol):
    """Somebody who gets findings.

    Attributes:
        kind: As the label of metrics has it.
        place: Scheme, host and port.
        key: What the store knows it by: no two have the same, and no secret can be read from it.
        manner: How it wants to be served.
        most: Messages that it takes at a time.
        pace: How often it may be sent something; None for as often as there is something.
    """

    kind: str
    place: str
    key: str
    manner: Manner
    most: int
    pace: Rates | None

    async def send(self, messages: Sequence[Message], now_unix_nano: int) -> int:
        """Delivers all; how many it had nothing to say of, and so did not send. Raises DeliveryError."""


def key_of(kind: str, url: str) -> str:
    """`Receiver.key` of what a key of the configuration names so."""
    return hashlib.blake2b(f"{kind} {url}".encode(), digest_size=16).hexdigest()


def secret_in(path: str, key: str) -> bytes:
    """What stands in a file, without the end of its line. Raises DeliveryError: nothing, or too much."""
    try:
        with Path(path).open("rb") as file:
            secret = file.read(MOST_SECRET_BYTES + 1).strip(b"\r\n")
    except OSError as error:
        raise DeliveryError(f"{key}: {path} cannot be read: {error.strerror}", Undelivered.SECRET) from error
    if not secret or len(secret) > MOST_SECRET_BYTES:
        what = "is empty" if not secret else f"has more than {MOST_SECRET_BYTES} bytes"
        raise DeliveryError(f"{key}: {path} {what}", Undelivered.SECRET)
    return secret
