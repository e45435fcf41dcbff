"""The page's own thread: an event loop that serves it, beside that of gRPC."""

import logging
import socket
import ssl
from pathlib import Path
from threading import Thread
from typing import Any, Final

import structlog
import uvicorn
from gosonde_common.addresses import HOST_PORT
from gosonde_common.errors import UnavailableError, UsageError
from gosonde_common.listening import check_free
from gosonde_common.server_tls import Followed
from starlette.applications import Starlette

from gosonde_collector.config import CollectorConfig
from gosonde_collector.web.connections import BoundedProtocol

log = structlog.get_logger(__name__)

#: Bytes of a request's line and headers.
HEADER_BYTES: Final = 16 << 10
#: How long open answers may go on when the collector stops, and how long a connection may rest, in seconds.
GRACE_S: Final = 1
REST_S: Final = 15


class WebServer:
    """Serves an application on the address of the key `web` from the constructor on, until it is closed.

    Raises:
        UnavailableError: It cannot be listened on.
        UnsupportedError: This user may not listen on such a port.
        UsageError: The certificate and the key cannot be used.
    """

    def __init__(self, config: CollectorConfig, app: Starlette) -> None:
        encryption: dict[str, Any] = {}
        if config.tls_cert:
            context = followed_context(Path(config.tls_cert), Path(config.tls_key))
            encryption["ssl_context_factory"] = lambda _config, _default: context
        settings = uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=HEADER_BYTES,
            timeout_keep_alive=REST_S,
            timeout_graceful_shutdown=GRACE_S,
            **encryption,
        )
        self._socket = listening(config.web)
        self._server = uvicorn.Server(settings)
        # A stranger could have it write as many lines as he likes.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
        self._thread = Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it, and what is open after a moment."""
        self._server.should_exit = True
        self._thread.join(GRACE_S + 2)
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run([self._socket])
        except Exception:
            log.exception("the web page is served no more")


def listening(address: str) -> socket.socket:
    """A socket that listens there. Raises as WebServer."""
    check_free(address, "web")
    match = HOST_PORT.fullmatch(address)
    host, port = (match["six"] or match["name"], int(match["port"])) if match else ("", 0)
    family = socket.AF_INET6 if match and match["six"] else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise UnavailableError(f"web: cannot listen on {address}: {error.strerror}") from error


def followed_context(cert: Path, key: Path) -> ssl.SSLContext:
    """A context in which each new connection has the certificate that the files hold by then. Raises UsageError."""
    followed = Followed((cert, key), lambda: _context(cert, key))

    def renew(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = followed.get()[0]

    first = _context(cert, key)
    first.sni_callback = renew
    return first


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"the certificate {cert} and the key {key} cannot be used: {error}") from error
    return context
