"""Sends one receiver what it should know, again and again until it does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.ratelimit import MessageLimiter

from gosonde_collector.model.errors import DeliveryError, DiskFullError, StoreError, Undelivered
from gosonde_collector.outward.alerts.ledger import Ledger, Message, Wanted
from gosonde_collector.outward.alerts.receiver import Receiver
from gosonde_collector.outward.backoff import Backoff
from gosonde_collector.outward.counts import REFUSED, TEMPLATE, TOO_MANY, Counts

log = structlog.get_logger(__name__)

#: Between two looks whether there is something to send, in seconds.
LOOK_S: Final = 1.0
#: What is wrong with a message itself.
OF_THE_MESSAGE: Final = {Undelivered.REFUSED: REFUSED, Undelivered.TEMPLATE: TEMPLATE}
#: Stores what the receivers know.
Keep = Callable[[], Awaitable[None]]


class Delivery:
    """Belongs to one event loop. What cannot be delivered waits in the ledger, as its newest state alone."""

    def __init__(self, receiver: Receiver, ledger: Ledger, counts: Counts, keep: Keep) -> None:
        self._receiver = receiver
        self._of = receiver.kind, receiver.place
        self._counts = counts
        self._keep = keep
        self._backoff = Backoff()
        self._limiter = MessageLimiter()
        self.ledger = ledger
        counts.begin(*self._of)

    async def run(self, wanted: Callable[[], Wanted | None]) -> None:
        """Until cancelled; `wanted` is None while nothing is known yet."""
        while True:
            try:
                if (known := wanted()) is not None:
                    await self.round(known)
            except Exception:
                log.exception("a round of sending failed unexpectedly", kind=self._receiver.kind)
                self._backoff.failed(0)
            await asyncio.sleep(LOOK_S)

    async def round(self, wanted: Wanted) -> None:
        """Sends what is due, unless the receiver rests, until it fails."""
        before, left_out = self.ledger.number, self.ledger.left_out
        due = self.ledger.due(wanted, steady_unix_nano())
        self._dropped(TOO_MANY, len(self.ledger.left_out - left_out))
        most = self._receiver.most
        for start in range(0, len(due), most):
            self._counts.waiting.labels(*self._of).set(len(due) - start)
            if not (self._may() and await self._send(due[start : start + most])):
                break
        else:
            self._counts.waiting.labels(*self._of).set(0)
        if self.ledger.number != before:
            await self._kept()

    def _may(self) -> bool:
        if self._backoff.is_resting:
            return False
        return self._receiver.pace is None or self._receiver.pace.allows("")

    async def _send(self, messages: Sequence[Message]) -> bool:
        """Whether one may go on."""
        try:
            skipped = await self._receiver.send(messages, steady_unix_nano())
        except DeliveryError as error:
            return self._failed(error, messages)
        self._counts.succeeded_now(*self._of, len(messages) - skipped)
        self._counts.skipped.labels(*self._of).inc(skipped)
        self._backoff.succeeded()
        self._noted(messages)
        return True

    def _failed(self, error: DeliveryError, messages: Sequence[Message]) -> bool:
        self._counts.failures.labels(*self._of, error.reason).inc()
        if self._limiter.allows(str(error)):
            log.warning("not delivered", kind=self._receiver.kind, to=self._receiver.place, reason=str(error))
        reason = OF_THE_MESSAGE.get(error.reason)
        if reason:
            self._dropped(reason, len(messages))
            self._noted(messages)
            return True
        self._backoff.failed(error.retry_after_s)
        return False

    def _noted(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.ledger.delivered(message, steady_unix_nano())

    def _dropped(self, reason: str, number: int) -> None:
        self._counts.dropped.labels(*self._of, reason).inc(number)

    async def _kept(self) -> None:
        try:
            await self._keep()
        except (StoreError, DiskFullError) as error:
            log.warning("what receivers know is not stored; after a restart they get it again", reason=str(error))
