"""A server that answers as a kubelet does: over HTTPS, to whoever has the token, what it was given."""

import contextlib
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.certificates import Authority
from tests.paths import FIXTURES

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJnb3NvbmRlIn0.c2lnbmF0dXJl"  # noqa: S105 - of nobody
PODS = (FIXTURES / "kubelet" / "pods.json").read_bytes()
#: What a real one answered, of Kubernetes 1.20.2: tests/integration/cluster/test_kubelet.py wrote it.
RECORDED = FIXTURES / "kubelet" / "recorded.json"
#: Writes a whole answer, or something else.
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class KubeletServer:
    """It can be given another answer while it runs."""

    address: str
    ca: Path
    token: Path
    answer: Answer
    asked: list[str] = field(default_factory=list)

    @property
    def keys(self) -> dict[str, str]:
        """The configuration of an agent that asks it."""
        return {"kubelet": f"https://{self.address}", "kubelet_token": str(self.token), "kubelet_ca": str(self.ca)}


def pods(content: bytes = PODS, status: int = 200) -> Answer:
    """The list of pods, or something in its place."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@contextlib.contextmanager
def kubelet(folder: Path, answer: Answer | None = None, *, name: str = "collector") -> Iterator[KubeletServer]:
    """Serves `pods()` or another answer at 127.0.0.1, for which only the certificate of the name "collector" is."""
    authority = Authority(folder, "kubelet-ca")
    certificate = authority.issue(name, file="kubelet", strict=False)  # as many clusters' are
    (folder / "token").write_text(f"{TOKEN}\n")
    served: list[KubeletServer] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (running,) = served
            running.asked.append(self.path)
            allowed = self.headers["Authorization"] == f"Bearer {TOKEN}" and self.path == "/pods"
            with contextlib.suppress(OSError):  # whoever asks may leave
                (running.answer if allowed else pods(b"Unauthorized", 401))(self)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    address = f"127.0.0.1:{server.server_address[1]}"
    served.append(KubeletServer(address, authority.cert, folder / "token", answer or pods()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield served[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
