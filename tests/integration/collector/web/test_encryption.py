"""The page over TLS, with the collector's certificate, and how it ends."""

import http.client
import signal
import socket
import ssl
import subprocess
from pathlib import Path

from gosonde_collector.model.tokens import digest_of
from gosonde_common.addresses import ClientTls
from gosonde_common.channels import credentials

from tests import web_page
from tests.agent_process import eventually, free_port
from tests.certificates import Authority
from tests.collector_process import GOSONDE, PATIENCE_S, CollectorProcess

SHOWN = "for the eyes of tests"


def served(address: str, authority: Authority) -> bytes:
    """The certificate that the page shows, as DER."""
    context = ssl.create_default_context(cafile=authority.cert)
    host, _, port = address.rpartition("/")[2].rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True) or b""


def test_the_page_has_the_collector_s_certificate_and_takes_over_a_new_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("collector")
    tokens = tmp_path / "tokens"
    tokens.write_text(f"read {digest_of(SHOWN)}\n")
    ready = credentials(ClientTls(authority.cert))
    keys = (f'tls_cert = "{certificate.cert}"', f'tls_key = "{certificate.key}"', f'tokens = "{tokens}"')
    address, flags = web_page.configured(tmp_path, *keys)
    with CollectorProcess(tmp_path, *map(str, flags), listen=f"127.0.0.1:{free_port()}", ready=ready):
        web_page.wait_for(address)
        first = served(address, authority)
        context = ssl.create_default_context(cafile=authority.cert)
        asking = http.client.HTTPSConnection(address.rpartition("/")[2], context=context, timeout=PATIENCE_S)
        asking.request("POST", "/sign-in", f"token={SHOWN.replace(' ', '+')}", {"Sec-Fetch-Site": "same-origin"})
        answer = asking.getresponse()
        assert answer.status == 303
        cookie = str(answer.headers["set-cookie"])
        assert cookie.startswith("__Host-gosonde=")
        assert "secure" in cookie.lower()
        asking.close()
        authority.issue("collector")
        eventually(lambda: served(address, authority) != first)


def test_pages_that_are_open_do_not_hold_up_the_end_of_the_collector(tmp_path: Path) -> None:
    address, flags = web_page.configured(tmp_path)
    place = address.rpartition("/")[2]
    host, _, port = place.rpartition(":")
    with CollectorProcess(tmp_path, *map(str, flags)) as collector:
        web_page.wait_for(address)
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as watcher:
            watcher.sendall(f"GET /changes HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
            assert watcher.recv(12) == b"HTTP/1.1 200"
            assert collector.stop(signal.SIGTERM) == 0
    assert '"level": "error"' not in collector.log.read_text()


def test_a_port_that_is_taken_is_named_with_its_key(tmp_path: Path) -> None:
    address, flags = web_page.configured(tmp_path)
    host, _, port = address.rpartition("/")[2].rpartition(":")
    with socket.create_server((host, int(port))):
        command = [GOSONDE, "collector", "--data", tmp_path / "data", "--listen", f"unix:{tmp_path}/socket", *flags]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode != 0
    assert f"web: cannot listen on {host}:{port}: another program listens there" in done.stderr
