"""What a connection to the receiver needs, from the configuration and the files that it names, as they are now."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gosonde_common.channels import read_pem
from gosonde_common.errors import UsageError
from gosonde_common.otlp.headers import read_headers
from gosonde_common.otlp.keys import GRPC, OtlpKeys
from gosonde_common.otlp.outcome import Outcome

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData


class Sender(Protocol):
    """Sends to one receiver, each time with a few tries within the connection's time."""

    def metrics(self, data: "MetricsData") -> Outcome:
        """Sends data points."""

    def logs(self, batch: "Sequence[ReadableLogRecord]") -> Outcome:
        """Sends log records."""

    def close(self) -> None:
        """Ends also what is being sent."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Two that are equal are the same.

    Attributes:
        ca: Content of a PEM file, as `cert` and `key`; empty for none.
        keys: Names the files.
        timeout_s: How long a request may take with all tries, in seconds.
    """

    scheme: str
    address: str
    headers: tuple[tuple[str, str], ...]
    ca: bytes
    cert: bytes
    key: bytes
    keys: OtlpKeys
    timeout_s: float

    @property
    def compresses(self) -> bool:
        """Whether requests are compressed."""
        return self.keys.otlp_compression == "gzip"


def connection(keys: OtlpKeys, timeout_s: float) -> Connection:
    """Reads the files. Raises UsageError: one cannot be read, or cannot be used."""
    scheme, address = keys.receiver
    headers = read_headers(Path(keys.otlp_headers)) if keys.otlp_headers else ()
    if scheme == "https":
        _check_files(keys)
    files = (keys.otlp_ca, keys.otlp_cert, keys.otlp_key)
    ca, cert, key = (read_pem(Path(file)) if file else b"" for file in files)
    return Connection(scheme, address, headers, ca, cert, key, keys, timeout_s)


def _check_files(keys: OtlpKeys) -> None:
    """gRPC says of no file what is wrong with it."""
    try:
        context = ssl.create_default_context(cafile=keys.otlp_ca or None)
        if keys.otlp_cert:
            context.load_cert_chain(keys.otlp_cert, keys.otlp_key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(filter(None, (keys.otlp_ca, keys.otlp_cert, keys.otlp_key)))
        raise UsageError(f"otlp: {files} cannot be used: {error}") from error


def connect(to: Connection) -> Sender:
    """A sender of its protocol; what it needs is imported now."""
    if to.keys.otlp_protocol == GRPC:
        from gosonde_common.otlp.grpc_sending import GrpcSender  # noqa: PLC0415 - large, and not for everyone

        return GrpcSender(to)
    from gosonde_common.otlp.http_sending import HttpSender  # noqa: PLC0415

    return HttpSender(to)
