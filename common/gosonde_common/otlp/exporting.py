"""Exports at intervals, from a thread of its own: a receiver that is down or slow holds up nothing else."""

import importlib
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import UsageError
from gosonde_common.foreign import shown
from gosonde_common.otlp.connection import Connection, Sender, connect, connection
from gosonde_common.otlp.counts import LOGS, METRICS, Counts
from gosonde_common.otlp.events import Event, Events
from gosonde_common.otlp.keys import OtlpKeys
from gosonde_common.otlp.outcome import Outcome, Reason
from gosonde_common.otlp.targets import Figures, Naming
from gosonde_common.ratelimit import MessageLimiter

if TYPE_CHECKING:
    from gosonde_common.otlp.translation import Request

log = structlog.get_logger(__name__)

#: How long a request may take with all tries, in seconds.
TIMEOUT_S: Final = 10.0
#: Log records of one request.
BATCH: Final = 100
#: How long to wait before what failed is sent again, as a part of that.
AGAIN: Final = 0.5
#: How long `close` waits for the thread, in seconds.
CLOSE_S: Final = 2.0


def _outcome(send: Callable[[], Outcome]) -> Outcome:
    """What a request comes to, also one that cannot be encoded."""
    try:
        return send()
    except Exception as error:
        return Outcome(Reason.INTERNAL, repr(error))


class Exporting:
    """Sends nothing, and has no thread, while there is no receiver.

    Attributes:
        counts: What became of the exports.
        events: What waits to be sent.
    """

    def __init__(
        self, collect: Callable[[], Figures], service: str, host: str, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._collect = collect
        self._service = service
        self._host = host
        self._timeout_s = timeout_s
        self._again_s = timeout_s * AGAIN
        self.counts = Counts()
        self.events = Events(self.counts)
        self.events.on_added = self._wake
        self._keys = OtlpKeys()
        self._sender: Sender | None = None
        self._to: Connection | None = None
        self._awake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._said = MessageLimiter()
        self._metrics_at = self._events_at = 0.0

    def apply(self, keys: OtlpKeys) -> None:
        """Sends from now on as the keys say."""
        self._keys = keys
        if keys.otlp and not self._thread:
            self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
            self._thread.start()
        self._wake()

    def close(self) -> None:
        """Sends nothing any more. What waits is not sent."""
        self._closed = True
        self._wake()
        if sender := self._sender:
            sender.close()
        if self._thread:
            self._thread.join(CLOSE_S)

    @property
    def is_on(self) -> bool:
        """Whether there is a receiver."""
        return bool(self._keys.otlp)

    def _wake(self) -> None:
        self._awake.set()

    def _run(self) -> None:
        # What the SDK writes into the log of the process is said by this class.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        try:
            importlib.import_module("gosonde_common.otlp.records")
        except ImportError as error:
            self.counts.failed(METRICS, Reason.CONFIGURATION)
            log.error("OTLP needs packages that are not there", reason=str(error), install="gosonde[otlp]")  # noqa: TRY400
            return
        while not self._closed:
            self._awake.clear()
            try:
                rest = self._round()
            except Exception:
                self.counts.failed(METRICS, Reason.INTERNAL)
                log.exception("OTLP export failed unexpectedly")
                rest = self._again_s
            self._awake.wait(rest)

    def _round(self) -> float | None:
        """Does what is due; how many seconds the next thing is away, None for ever."""
        keys = self._keys
        if not keys.otlp:
            self._disconnect()
            return None
        now = time.monotonic()
        if now >= self._events_at and self.counts.queued:
            self._events_at = 0.0 if self._send_events(keys) else time.monotonic() + self._again_s
        if now >= self._metrics_at:
            self._send_metrics(keys)
            self._metrics_at = now + keys.otlp_interval_seconds
        self._metrics_at = min(self._metrics_at, now + keys.otlp_interval_seconds)  # it may have been longer before
        due = [self._metrics_at, self._events_at] if self.counts.queued else [self._metrics_at]
        return max(min(due) - time.monotonic(), 0.0)

    def _connected(self, keys: OtlpKeys, signal: str) -> Sender | None:
        """As the files are now; None when one cannot be used, which is counted and said."""
        try:
            to = connection(keys, self._timeout_s)
            if self._sender is None or to != self._to:
                self._disconnect()
                self._sender, self._to = connect(to), to
        except UsageError as error:
            self._failed(signal, Outcome(Reason.CONFIGURATION, str(error)))
            return None
        return self._sender

    def _disconnect(self) -> None:
        if self._sender:
            self._sender.close()
        self._sender = self._to = None

    def _send_metrics(self, keys: OtlpKeys) -> None:
        """Totals that could not be sent are dropped: the next ones replace them."""
        from gosonde_common.otlp.translation import Translation  # noqa: PLC0415 - large, and not for everyone

        sender = self._connected(keys, METRICS)
        naming = Naming(keys, self._service, self._host)
        failure: Reason | None = None if sender else Reason.CONFIGURATION
        for request in Translation(self._collect(), naming, steady_unix_nano(), self.counts).requests():
            if failure or not sender or self._closed:
                self.counts.dropped(METRICS, failure or Reason.UNREACHABLE, request.points)
            else:
                failure = self._send_request(sender, request)

    def _send_request(self, sender: Sender, request: "Request") -> Reason | None:
        """Why the requests after it need not be tried."""
        outcome = _outcome(partial(sender.metrics, request.data))
        self._note(METRICS, outcome, request.points)
        if outcome.reason:
            self.counts.dropped(METRICS, outcome.reason, request.points)
        return None if outcome.is_final else outcome.reason

    def _send_events(self, keys: OtlpKeys) -> bool:
        """Whether nothing waits that has to be tried again later."""
        from gosonde_common.otlp.records import records  # noqa: PLC0415 - large, and not for everyone

        sender = self._connected(keys, LOGS)
        naming = Naming(keys, self._service, self._host)
        while sender and not self._closed and (events := self.events.oldest(BATCH)):
            outcome = _outcome(partial(sender.logs, records(events, naming)))
            self._note(LOGS, outcome, len(events))
            if outcome.reason and (self._closed or not outcome.is_final):
                return False
            if outcome.reason:
                self.counts.dropped(LOGS, outcome.reason, len(events))
            self._finish(events)
        return sender is not None

    def _finish(self, events: list[Event]) -> None:
        self.events.remove(events)
        self.events.on_sent(events)

    def _note(self, signal: str, outcome: Outcome, number: int) -> None:
        """Counts what a request came to, and says it."""
        if outcome.reason:
            self._failed(signal, outcome)
            return
        rejected = min(outcome.rejected, number)
        self.counts.sent(signal, number - rejected)
        if rejected:
            self.counts.dropped(signal, Reason.REFUSED, rejected)
        if (rejected or outcome.message) and self._said.allows(f"{signal} partly"):
            message = shown(outcome.message)
            log.warning("a receiver of OTLP did not take everything", signal=signal, left_out=rejected, message=message)

    def _failed(self, signal: str, outcome: Outcome) -> None:
        reason = outcome.reason or Reason.INTERNAL
        self.counts.failed(signal, reason)
        if not self._closed and self._said.allows(f"{signal} {reason}"):
            log.warning("OTLP export failed", signal=signal, reason=reason, message=shown(outcome.message))
