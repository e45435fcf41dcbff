"""A service's own metrics, health and readiness over HTTP: /metrics, /healthz, /readyz."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock, Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
from prometheus_client import CollectorRegistry, Metric, disable_created_metrics, make_wsgi_app
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from gosonde_common import foreign
from gosonde_common.addresses import HOST_PORT
from gosonde_common.errors import UnavailableError, UsageError
from gosonde_common.listening import REASONS
from gosonde_common.ratelimit import MessageLimiter

log = structlog.get_logger(__name__)

#: Seconds after which a client that says nothing is let go.
CLIENT_SECONDS = 10
#: Clients at a time.
MAX_CLIENTS = 32
#: Between two connections that have it see that it is to stop.
STOP_SECONDS = 0.1

Reasons = Callable[[], list[str]]
Group = Callable[[], Iterable[Metric]]


class FailedGroup(Metric):
    """Stands for a group of metrics that a scrape has to do without. It has no samples."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name, f"Failed: {type(error).__name__}", "unknown")
        self.error = error


def grouped(**groups: Group) -> Iterator[Metric]:
    """The metrics of each group, in this order; a FailedGroup for one that raises, whatever it raises."""
    for name, group in groups.items():
        try:
            metrics = tuple(group())
        except Exception as error:
            metrics = (FailedGroup(f"gosonde_{name}", error),)
        yield from metrics


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, *_: object) -> None:
        """Says nothing: each scrape would be a line."""


class ShownMetrics(Collector):
    """What a registry holds, every label as people may see it.

    A sample that no scrape can hold is left out. Where the registry fails, what it gave before stays.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._failures = 0
        self._message_limiter = MessageLimiter()

    def describe(self) -> Iterable[Metric]:
        """See prometheus_client: registering asks nothing of the registry."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        try:
            for metric in self._registry.collect():
                if isinstance(metric, FailedGroup):
                    self._failed(metric.name, metric.error)
                    continue
                metric.samples = [shown for sample in metric.samples if (shown := self._shown(sample))]
                yield metric
        except Exception as error:
            self._failed("metrics", error)
        yield CounterMetricFamily(
            "gosonde_scrape_failures",
            "Samples and groups of metrics that a scrape left out because they failed.",
            self._failures,
        )

    def _shown(self, sample: Sample) -> Sample | None:
        try:
            labels = {name: foreign.shown(value) for name, value in sample.labels.items()}
            return sample._replace(labels=labels, value=float(sample.value))
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            self._failed(sample.name, error)
            return None

    def _failed(self, what: str, error: Exception) -> None:
        self._failures += 1
        if self._message_limiter.allows(what):
            log.error("metrics are left out of a scrape", metric=what, reason=repr(error))


class MetricsServer:
    """Serves until closed, from threads of its own."""

    def __init__(self, address: str, registry: CollectorRegistry, unready: Reasons) -> None:
        match = HOST_PORT.fullmatch(address)
        if not match:
            raise UsageError(f"http: {address!r} is not HOST:PORT")
        # They would double the number of series; a counter that falls tells Prometheus of a restart.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        shown = CollectorRegistry(support_collectors_without_names=True)
        shown.register(ShownMetrics(registry))
        app = _app(_OneAtATime(make_wsgi_app(shown)), unready)
        host, port = match["six"] or match["name"], int(match["port"])
        try:
            self._server = make_server(host, port, app, _Server, _Handler)
        except (OSError, OverflowError) as error:
            number = error.errno if isinstance(error, OSError) else 0
            reason = REASONS.get(number or 0, f"{error}; choose another address")
            raise UnavailableError(f"http: cannot listen on {address}: {reason}") from error
        self.port = self._server.server_port
        self._address = host, self.port
        # It waits for connections alone, and does not look now and then whether it is to stop.
        Thread(target=self._server.serve_forever, args=(None,), name="http", daemon=True).start()

    def close(self) -> None:
        """Stops serving."""
        stop = Thread(target=self._server.shutdown, daemon=True)
        stop.start()
        while stop.is_alive():
            with suppress(OSError):
                socket.create_connection(self._address, CLIENT_SECONDS).close()
            stop.join(STOP_SECONDS)
        self._server.server_close()


class _Server(ThreadingWSGIServer):
    """Serves so many clients at a time; who comes on top is let go at once."""

    daemon_threads = True
    request_queue_size = MAX_CLIENTS

    def server_activate(self) -> None:
        self._room = BoundedSemaphore(MAX_CLIENTS)
        super().server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()


@dataclass(frozen=True, slots=True)
class _Answer:
    number: int
    asked: tuple[str, ...]
    status: str
    headers: list[tuple[str, str]]
    body: list[bytes]


class _OneAtATime:
    """Collects for one scrape after the other; those who waited share an answer that was begun after they came."""

    #: What of a request the answer depends on.
    ASKED = ("REQUEST_METHOD", "QUERY_STRING", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING")

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - WSGI's types
        self._app = app
        self._lock = Lock()
        self._begun = 0
        self._last: _Answer | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        came, asked = self._begun, tuple(environ.get(name, "") for name in self.ASKED)
        with self._lock:
            answer = self._last
            if answer is None or answer.number <= came or answer.asked != asked:
                answer = self._last = self._collected(asked)
        start_response(answer.status, answer.headers)
        return answer.body

    def _collected(self, asked: tuple[str, ...]) -> _Answer:
        self._begun += 1
        started: list[Any] = []
        environ = {"PATH_INFO": "/metrics", **dict(zip(self.ASKED, asked, strict=True))}
        body = list(self._app(environ, lambda status, headers: started.extend((status, headers))))
        return _Answer(self._begun, asked, started[0], started[1], body)


def _app(metrics: Any, unready: Reasons) -> Any:  # noqa: ANN401 - WSGI's types
    """`unready` gives the reasons why the service cannot do its work now; it is ready when there is none."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            answer: Iterable[bytes] = metrics(environ, start_response)
            return answer
        if path == "/healthz":
            return _text(start_response, "200 OK", "ok")
        if path == "/readyz":
            reasons = "; ".join(map(foreign.shown, unready()))
            return _text(start_response, "503 Service Unavailable" if reasons else "200 OK", reasons or "ok")
        return _text(start_response, "404 Not Found", "there are /metrics, /healthz and /readyz")

    return app


def _text(start_response: Any, status: str, text: str) -> list[bytes]:  # noqa: ANN401
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]
