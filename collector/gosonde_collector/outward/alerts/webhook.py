"""Any server that takes a JSON document for each finding that begins, becomes more severe, or is over."""

import hashlib
import hmac
import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gosonde_common.ratelimit import Rates

from gosonde_collector.model.errors import DeliveryError, Undelivered
from gosonde_collector.model.http_url import parsed
from gosonde_collector.outward.alerts.ledger import Manner, Message
from gosonde_collector.outward.alerts.receiver import key_of, secret_in
from gosonde_collector.outward.alerts.template import Body
from gosonde_collector.outward.posting import post

#: Characters of a token (RFC 6750).
TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/=-]+")
#: After a rest so many go at once.
BURST: Final = 10


@dataclass(frozen=True, slots=True)
class Proofs:
    """Files with what proves to the receiver who sends; "" for none. They are read at each sending."""

    secret: str = ""
    token: str = ""


class Webhook:
    """A Receiver. Each message is a request of its own, and is sent once."""

    kind = "webhook"
    manner = Manner()
    most = 1

    def __init__(
        self, given: str, body: Body, proofs: Proofs, tls: ssl.SSLContext | None, *, per_minute: float
    ) -> None:
        url = parsed(given, "webhook_to")
        self.place = url.place
        self.key = key_of(self.kind, given)
        self.pace: Rates | None = Rates(per_minute / 60, min(BURST, per_minute))
        self._url = url
        self._body = body
        self._proofs = proofs
        self._tls = tls

    async def send(self, messages: Sequence[Message], now_unix_nano: int) -> int:  # noqa: ARG002 - of Receiver
        """See Receiver."""
        skipped = 0
        for message in messages:
            if body := self._body.of(message):
                await post(self._url, body, {**self._headers(body), "Idempotency-Key": _name(message)}, self._tls)
            else:
                skipped += 1
        return skipped

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._proofs.secret:
            headers["X-Gosonde-Signature"] = signature(
                secret_in(self._proofs.secret, "webhook_secret"), int(time.time()), body
            )
        if self._proofs.token:
            token = secret_in(self._proofs.token, "webhook_token")
            if not TOKEN.fullmatch(token):
                raise DeliveryError(
                    f"webhook_token: {self._proofs.token} has characters that no token has", Undelivered.SECRET
                )
            headers["Authorization"] = f"Bearer {token.decode()}"
        return headers


def signature(secret: bytes, at_unix: int, body: bytes) -> str:
    """Says when, and proves with HMAC-SHA256 that whoever knows the secret sends this body then."""
    digest = hmac.new(secret, f"{at_unix}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_unix},v1={digest}"


def _name(message: Message) -> str:
    """The same for what is sent again because no answer came."""
    alert = message.alert
    status = "firing" if message.is_firing else "resolved"
    return f"{alert.finding}-{alert.starts_unix_nano}-{status}-{alert.severity}"
