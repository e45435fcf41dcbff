"""Receivers of OTLP that really serve: over gRPC and over HTTP, by the generated code of OpenTelemetry's protocol."""

import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tests.certificates import Authority, Certificate

#: Also on a busy host.
PATIENCE_S = 120.0
#: The largest message that receivers take unless they are told otherwise, in bytes.
MAX_BYTES = 4 << 20


class Tls(NamedTuple):
    """What a receiver shows, and whom it lets in: everybody, if `clients` is None."""

    own: Certificate
    clients: Authority | None = None


class Point(NamedTuple):
    """A data point with what stands around it."""

    resource: dict[str, Any]
    name: str
    unit: str
    kind: str
    attributes: dict[str, Any]
    point: Any

    @property
    def value(self) -> float:
        """Of a number."""
        return float(getattr(self.point, self.point.WhichOneof("value")))


@dataclass
class Received:
    """What came, and how a receiver behaves.

    Attributes:
        token: Which value of `authorization` it wants; empty for none.
        delay_s: How long it takes for an answer.
        rejects: How many elements of each request it says that it left out.
        fails: With which status it answers: gRPC's, or HTTP's; None for success.
        answer: A body instead of the right one, over HTTP.
        location: Where HTTP's answers redirect to.
        encodings: How requests were compressed, over HTTP.
    """

    token: str = ""
    delay_s: float = 0.0
    rejects: int = 0
    fails: Any = None
    answer: bytes | None = None
    location: str = ""
    calls: int = 0
    encodings: list[str] = field(default_factory=list)
    metrics: list[metrics_service_pb2.ExportMetricsServiceRequest] = field(default_factory=list)
    logs: list[logs_service_pb2.ExportLogsServiceRequest] = field(default_factory=list)

    def points(self, name: str = "") -> list[Point]:
        """Of all requests, the oldest first."""
        return [point for request in list(self.metrics) for point in _points(request) if name in {"", point.name}]

    def events(self) -> list[tuple[dict[str, Any], LogRecord]]:
        """Each with its resource."""
        return [
            (plain(of.resource.attributes), record)
            for request in list(self.logs)
            for of in request.resource_logs
            for scope in of.scope_logs
            for record in scope.log_records
        ]

    def until(self, holds: Callable[[], Any]) -> Any:
        """Waits, and gives what it is that holds."""
        end = time.monotonic() + PATIENCE_S
        while not (found := holds()):
            assert time.monotonic() < end, f"{self.calls} calls, {len(self.metrics)} of metrics, {len(self.logs)}"
            time.sleep(0.05)
        return found


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    return {one.key: _plain(one) for one in attributes}


def _plain(one: KeyValue) -> Any:
    return getattr(one.value, one.value.WhichOneof("value") or "")


def _points(request: metrics_service_pb2.ExportMetricsServiceRequest) -> Iterator[Point]:
    for of in request.resource_metrics:
        resource = plain(of.resource.attributes)
        for scope in of.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data") or ""
                for point in getattr(metric, kind).data_points:
                    yield Point(resource, metric.name, metric.unit, kind, plain(point.attributes), point)


class _Service:
    def __init__(self, received: Received, kept: list[Any], response: Any) -> None:
        self._received, self._kept, self._response = received, kept, response

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - as the generated one
        received = self._received
        received.calls += 1
        metadata = dict(context.invocation_metadata())
        if received.token and metadata.get("authorization") != received.token:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?\x1b[2J")
        if received.delay_s:
            time.sleep(received.delay_s)
        if received.fails:
            context.abort(received.fails, "not today")
        self._kept.append(request)
        return _answer(self._response, received.rejects)


def _answer(response: Any, rejects: int) -> Any:
    answer = response()
    if rejects:
        name = next(iter(answer.partial_success.DESCRIPTOR.fields_by_name))
        setattr(answer.partial_success, name, rejects)
        answer.partial_success.error_message = "too old"
    return answer


@contextmanager
def grpc_receiver(tls: Tls | None = None, port: int = 0) -> Iterator[tuple[str, Received]]:
    """HOST:PORT, and what comes there."""
    received = Received()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    of_metrics = _Service(received, received.metrics, metrics_service_pb2.ExportMetricsServiceResponse)
    of_logs = _Service(received, received.logs, logs_service_pb2.ExportLogsServiceResponse)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(of_metrics, server)  # type: ignore[no-untyped-call]
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(of_logs, server)  # type: ignore[no-untyped-call]
    if tls:
        clients = tls.clients.cert.read_bytes() if tls.clients else None
        pair = tls.own.key.read_bytes(), tls.own.cert.read_bytes()
        shown = grpc.ssl_server_credentials([pair], clients, require_client_auth=clients is not None)
        bound = server.add_secure_port(f"127.0.0.1:{port}", shown)
    else:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{bound}", received
    finally:
        server.stop(0).wait()


@contextmanager
def http_receiver(tls: Tls | None = None) -> Iterator[tuple[str, Received]]:
    """HOST:PORT, and what comes there."""
    received = Received()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(received))
    server.daemon_threads = True
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.own.cert, tls.own.key)
        if tls.clients:
            context.load_verify_locations(tls.clients.cert)
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(received: Received) -> type[BaseHTTPRequestHandler]:
    services: Mapping[str, tuple[list[Any], Any, Any]] = {
        "/v1/metrics": (
            received.metrics,
            metrics_service_pb2.ExportMetricsServiceRequest,
            metrics_service_pb2.ExportMetricsServiceResponse,
        ),
        "/v1/logs": (
            received.logs,
            logs_service_pb2.ExportLogsServiceRequest,
            logs_service_pb2.ExportLogsServiceResponse,
        ),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            received.calls += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers.get("Content-Encoding", "")
            received.encodings.append(encoding)
            time.sleep(received.delay_s)
            kept, asked, answered = services[self.path]
            if received.token and self.headers.get("Authorization") != received.token:
                self._say(401, b"who are you?")
            elif received.fails:
                self._say(received.fails, b"not today")
            else:
                kept.append(asked.FromString(gzip.decompress(body) if encoding == "gzip" else body))
                right = _answer(answered, received.rejects).SerializeToString()
                self._say(200, right if received.answer is None else received.answer)

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if received.location:
                self.send_header("Location", received.location)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
