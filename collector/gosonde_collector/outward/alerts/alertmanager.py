"""Alertmanager, by its API of version 2."""

import json
import ssl
from collections.abc import Sequence
from typing import Any, Final

from gosonde_common.ratelimit import Rates

from gosonde_collector.model.http_url import parsed
from gosonde_collector.outward.alerts.alert import SECOND, iso
from gosonde_collector.outward.alerts.ledger import Manner, Message
from gosonde_collector.outward.alerts.receiver import key_of
from gosonde_collector.outward.posting import post

#: An alert that is repeated no more is over for Alertmanager after ENDS_NS.
REPEAT_NS: Final = 60 * SECOND
ENDS_NS: Final = 5 * REPEAT_NS
MOST_AT_ONCE: Final = 64
PATH: Final = "/api/v2/alerts"


class Alertmanager:
    """A Receiver. It forgets alerts that are not repeated, and what it takes twice it knows once."""

    kind = "alertmanager"
    manner = Manner(repeat_ns=REPEAT_NS, by_labels=True)
    most = MOST_AT_ONCE
    pace: Rates | None = None

    def __init__(self, given: str, tls: ssl.SSLContext | None) -> None:
        url = parsed(given, "alerts_to")
        self.place = url.place
        self.key = key_of(self.kind, given)
        self._url = url.below(PATH)
        self._tls = tls

    async def send(self, messages: Sequence[Message], now_unix_nano: int) -> int:
        """See Receiver."""
        body = json.dumps([_posted(message, now_unix_nano) for message in messages]).encode()
        await post(self._url, body, {"Content-Type": "application/json"}, self._tls)
        return 0


def _posted(message: Message, now_unix_nano: int) -> dict[str, Any]:
    """What its API calls a postableAlert."""
    alert = message.alert
    ends = message.ended_unix_nano or now_unix_nano + ENDS_NS
    posted = {
        "labels": alert.all_labels,
        "annotations": dict(alert.annotations),
        # A host's clock may be ahead: what begins later is no alert yet, and may not end before it begins.
        "startsAt": iso(min(alert.starts_unix_nano, now_unix_nano, ends)),
        "endsAt": iso(ends),
    }
    return {**posted, "generatorURL": alert.url} if alert.url else posted
