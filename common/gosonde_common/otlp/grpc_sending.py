"""Sends over gRPC, through the SDK's exporters; remembers what they only log."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import (  # noqa: PLC2701 - logs have no other name there yet
    OTLPLogExporter,
)
from opentelemetry.exporter.otlp.proto.grpc.exporter import OTLPExporterMixin
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricsData

from gosonde_common.otlp.connection import Connection
from gosonde_common.otlp.outcome import NOT_SENT, Outcome, Reason, partial

#: What other statuses than REFUSED mean.
STATUSES: Final = {
    grpc.StatusCode.UNAVAILABLE: Reason.UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Reason.TIMEOUT,
    grpc.StatusCode.CANCELLED: Reason.TIMEOUT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.OVERLOADED,
    grpc.StatusCode.ABORTED: Reason.OVERLOADED,
    grpc.StatusCode.UNAUTHENTICATED: Reason.CREDENTIALS,
    grpc.StatusCode.PERMISSION_DENIED: Reason.CREDENTIALS,
}


class _Watched:
    """A stub, and what its last call came to."""

    def __init__(self, stub: Any) -> None:  # noqa: ANN401 - of either service
        self._stub = stub
        self.outcome = NOT_SENT

    def Export(self, request: Any, **options: Any) -> Any:  # noqa: ANN401, N802 - as the generated stub
        """Calls it."""
        try:
            answer = self._stub.Export(request, **options)
        except grpc.RpcError as error:
            status, details = error.code(), error.details()
            self.outcome = Outcome(STATUSES.get(status, Reason.REFUSED), f"{status.name}: {details}")
            raise
        self.outcome = partial(answer.partial_success)
        return answer


class _Watching(OTLPExporterMixin):  # type: ignore[type-arg] # of either signal
    """The exporters make another stub when they connect again."""

    def _initialize_channel_and_stub(self) -> None:
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call]
        self._client: Any = _Watched(self._client)

    @property
    def outcome(self) -> Outcome:
        """Of the last call."""
        outcome: Outcome = self._client.outcome
        return outcome

    def begin(self) -> None:
        """There was no call yet."""
        self._client.outcome = NOT_SENT


class _Metrics(_Watching, OTLPMetricExporter):
    pass


class _Logs(_Watching, OTLPLogExporter):
    pass


class GrpcSender:
    """Belongs to one thread; only `close` may be called from others."""

    def __init__(self, to: Connection) -> None:
        options: dict[str, Any] = {
            "endpoint": f"{to.scheme}://{to.address}",
            "insecure": to.scheme == "http",
            "credentials": _credentials(to),
            "headers": to.headers,
            "timeout": to.timeout_s,
            "compression": grpc.Compression.Gzip if to.compresses else grpc.Compression.NoCompression,
        }
        self._metrics = _Metrics(**options)
        self._logs = _Logs(**options)

    def metrics(self, data: MetricsData) -> Outcome:
        """Sends data points."""
        return _sent(self._metrics, functools.partial(self._metrics.export, data))

    def logs(self, batch: Sequence[ReadableLogRecord]) -> Outcome:
        """Sends log records."""
        return _sent(self._logs, functools.partial(self._logs.export, batch))

    def close(self) -> None:
        """Ends also what is being sent."""
        self._metrics.shutdown()
        self._logs.shutdown()


def _sent(exporter: _Watching, export: Callable[[], object]) -> Outcome:
    exporter.begin()
    try:
        export()
    except Exception:
        # The exporters stumble over calls that ended without metadata; how those ended is known by then.
        if exporter.outcome is NOT_SENT:
            raise
    return exporter.outcome


def _credentials(to: Connection) -> grpc.ChannelCredentials | None:
    if to.scheme == "http":
        return None
    return grpc.ssl_channel_credentials(to.ca or None, to.key or None, to.cert or None)
