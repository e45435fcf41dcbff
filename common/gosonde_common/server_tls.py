"""A server's certificate, its clients' authorities and what was revoked, as the files say while the server runs."""

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import grpc
import structlog

from gosonde_common.channels import read_pem
from gosonde_common.errors import GosondeError, UsageError
from gosonde_common.small_files import read_within

log = structlog.get_logger(__name__)

Content = TypeVar("Content")

#: No list is longer.
MAX_LIST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Files in PEM format.

    Attributes:
        cert: The server's certificate, with those between it and the authority.
        key: Its private key.
        client_ca: Certificates of the authorities that clients must have one from; None when they need none.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None


class Followed(Generic[Content]):
    """What some files say; read again when one of them changes. A change that cannot be read leaves what was."""

    def __init__(self, paths: tuple[Path, ...], read: Callable[[], Content]) -> None:
        self._paths = paths
        self._read = read
        self._stamps = self._now()
        self._content = read()

    def get(self) -> tuple[Content, bool]:
        """What the files say, and whether that is new since the last call."""
        stamps = self._now()
        if stamps == self._stamps:
            return self._content, False
        self._stamps = stamps
        try:
            self._content = self._read()
        except GosondeError as error:
            log.error("a changed file is not taken over; the former one stays", reason=str(error))  # noqa: TRY400
            return self._content, False
        log.info("read again", files=[str(path) for path in self._paths])
        return self._content, True

    def _now(self) -> list[tuple[int, int, int]]:
        stamps = []
        for path in self._paths:
            try:
                status = path.stat()
            except OSError:
                stamps.append((0, 0, 0))
            else:
                stamps.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return stamps


def server_credentials(tls: ServerTls, on_handshake: Callable[[], None]) -> grpc.ServerCredentials:
    """Credentials that follow the files; `on_handshake` is called, from any thread, at each new connection.

    Raises:
        UsageError: A file cannot be read, or certificate and key do not belong together.
    """
    paths = tuple(path for path in (tls.cert, tls.key, tls.client_ca) if path)
    followed = Followed(paths, lambda: _configuration(tls))

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        on_handshake()
        configuration, new = followed.get()
        return configuration if new else None

    return grpc.dynamic_ssl_server_credentials(  # the stub forgets that the fetcher may return None
        followed.get()[0],
        fetch,  # type: ignore[arg-type]
        require_client_authentication=tls.client_ca is not None,
    )


def _configuration(tls: ServerTls) -> grpc.ServerCertificateConfiguration:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"the certificate {tls.cert} and the key {tls.key} cannot be used: {error}") from error
    roots = read_pem(tls.client_ca) if tls.client_ca else None
    return grpc.ssl_server_certificate_configuration([(read_pem(tls.key), read_pem(tls.cert))], roots)


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate in PEM format, as `openssl x509 -fingerprint -sha256` gives it, in lower case, bare."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.decode("ascii", "replace"))).hexdigest()


def read_list(path: Path) -> list[list[str]]:
    """The words of each line; empty lines and those that begin with # are left out. Raises UsageError."""
    content = read_within(path, MAX_LIST_BYTES)
    lines = (line.split() for line in content.decode("utf-8", "replace").splitlines())
    return [words for words in lines if words and not words[0].startswith("#")]
