"""A web server that keeps what it is sent, with TLS or without, and answers as a test wants."""

import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tests.certificates import Certificate

#: Also on a busy host.
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Request:
    """One that came, whole."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What is answered."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


#: Writes an answer of its own to the connection.
Raw = Callable[[socket.socket], None]


class Receiver:
    """Listens on a port of 127.0.0.1 while it is used in a `with` statement.

    Attributes:
        replies: What the next requests are answered with, the first first; after these, `Reply()`.
        requests: All that came.
    """

    def __init__(self, certificate: Certificate | None = None, port: int = 0) -> None:
        self.replies: list[Reply | Raw] = []
        self.requests: list[Request] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append(Request(self.path, dict(self.headers), body))
                reply = outer.replies.pop(0) if outer.replies else Reply()
                if isinstance(reply, Reply):
                    self.send_response(reply.status)
                    for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(reply.body)
                else:
                    reply(self.connection)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients that go away are no failure of a test."""

        self._server = Server(("127.0.0.1", port), Handler)
        self._scheme = "http"
        if certificate:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.cert, certificate.key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def waits_for(self, is_it: Callable[[Request], bool]) -> Request:
        """The first request that is it, once it has come."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for request in list(self.requests):
                if is_it(request):
                    return request
            time.sleep(0.05)
        raise AssertionError(
            f"none of {len(self.requests)} requests is it: {[r.body[:300] for r in self.requests][-5:]}"
        )
