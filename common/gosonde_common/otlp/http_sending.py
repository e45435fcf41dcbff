"""Sends over HTTP, through the SDK's exporters; remembers what they only log."""

import io
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import requests
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import (  # noqa: PLC2701 - logs have no other name there yet
    OTLPLogExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricsData

from gosonde_common.otlp.connection import Connection
from gosonde_common.otlp.outcome import NOT_SENT, Outcome, Reason, partial

#: No answer is longer, in bytes; what is beyond is not read.
MAX_ANSWER: Final = 1 << 16
#: What other statuses than REFUSED mean.
STATUSES: Final[dict[int, Reason]] = {
    HTTPStatus.UNAUTHORIZED: Reason.CREDENTIALS,
    HTTPStatus.FORBIDDEN: Reason.CREDENTIALS,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: Reason.CREDENTIALS,
    HTTPStatus.REQUEST_TIMEOUT: Reason.TIMEOUT,
    HTTPStatus.GATEWAY_TIMEOUT: Reason.TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS: Reason.OVERLOADED,
    HTTPStatus.BAD_GATEWAY: Reason.OVERLOADED,
    HTTPStatus.SERVICE_UNAVAILABLE: Reason.OVERLOADED,
}
Answers = type[ExportMetricsServiceResponse] | type[ExportLogsServiceResponse]


class _Session(requests.Session):
    """Follows no redirection, reads no more than MAX_ANSWER, and remembers what the last request came to.

    Nothing of the environment is used: a .netrc would replace the headers of the configuration.
    """

    def __init__(self, answers: Answers, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s
        self.trust_env = False
        self._answers = answers
        self.outcome = NOT_SENT

    def request(self, *arguments: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - as the base has them
        """Sends."""
        until = time.monotonic() + self._timeout_s
        try:
            with super().request(*arguments, **{**options, "stream": True}) as answer:
                body = _read(answer, until)
        except requests.RequestException as error:
            is_late = isinstance(error, requests.Timeout)
            self.outcome = Outcome(Reason.TIMEOUT if is_late else Reason.UNREACHABLE, str(error))
            raise
        self.outcome = _outcome(answer, body, self._answers)
        answer.raw = io.BytesIO(body)
        return answer


def _read(answer: requests.Response, until: float) -> bytes:
    """The beginning of the body. Raises requests.Timeout: it comes too slowly."""
    body = b""
    for piece in answer.iter_content(None):
        body += piece
        if len(body) > MAX_ANSWER:
            break
        if time.monotonic() > until:
            raise requests.Timeout("the answer does not end")
    return body[:MAX_ANSWER]


def _outcome(answer: requests.Response, body: bytes, answers: Answers) -> Outcome:
    status = answer.status_code
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome(
            STATUSES.get(status, Reason.REFUSED), f"status {status}: {body[:256].decode('utf-8', 'replace')}"
        )
    said = answers()
    try:
        if answer.headers.get("Content-Type", "").startswith("application/json"):
            json_format.Parse(body or b"{}", said, ignore_unknown_fields=True)
        else:
            said.ParseFromString(body)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError):
        return Outcome(Reason.REFUSED, "who answers is no receiver of OTLP")
    return partial(said.partial_success)


class HttpSender:
    """Belongs to one thread; only `close` may be called from others."""

    def __init__(self, to: Connection) -> None:
        base = to.keys.otlp.removesuffix("/")
        options: dict[str, Any] = {
            "certificate_file": to.keys.otlp_ca or None,
            "client_certificate_file": to.keys.otlp_cert or None,
            "client_key_file": to.keys.otlp_key or None,
            "headers": dict(to.headers),
            "timeout": to.timeout_s,
            "compression": Compression.Gzip if to.compresses else Compression.NoCompression,
        }
        self._measuring = _Session(ExportMetricsServiceResponse, to.timeout_s)
        self._logging = _Session(ExportLogsServiceResponse, to.timeout_s)
        self._metrics = OTLPMetricExporter(f"{base}/v1/metrics", session=self._measuring, **options)
        self._logs = OTLPLogExporter(f"{base}/v1/logs", session=self._logging, **options)

    def metrics(self, data: MetricsData) -> Outcome:
        """Sends data points."""
        self._measuring.outcome = NOT_SENT
        self._metrics.export(data)
        return self._measuring.outcome

    def logs(self, batch: Sequence[ReadableLogRecord]) -> Outcome:
        """Sends log records."""
        self._logging.outcome = NOT_SENT
        self._logs.export(batch)
        return self._logging.outcome

    def close(self) -> None:
        """Ends waiting for the next try."""
        self._metrics.shutdown()
        self._logs.shutdown()  # type: ignore[no-untyped-call]
