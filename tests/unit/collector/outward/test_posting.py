"""A request gets there, or fails for a reason that is named, within a time and a size."""

import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from gosonde_collector.model.errors import DeliveryError, Undelivered
from gosonde_collector.model.http_url import parsed
from gosonde_collector.outward import posting
from gosonde_collector.outward.posting import MOST_REST_S, post, rest_seconds

from tests.agent_process import free_port
from tests.certificates import Authority
from tests.http_receiver import Receiver, Reply


async def sent(url: str, tls: ssl.SSLContext | None = None) -> None:
    await post(parsed(url, "key"), b'{"a": 1}', {"Content-Type": "application/json"}, tls)


async def failure(url: str, tls: ssl.SSLContext | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as failed:
        await sent(url, tls)
    return failed.value


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


async def test_a_body_gets_there_with_its_headers(receiver: Receiver) -> None:
    await sent(f"{receiver.url}/x?y=1")
    (request,) = receiver.requests
    assert (request.path, request.document) == ("/x?y=1", {"a": 1})
    assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["User-Agent"].startswith("gosonde/")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Undelivered.REFUSED),
        (401, Undelivered.STATUS),
        (404, Undelivered.STATUS),
        (413, Undelivered.REFUSED),
        (500, Undelivered.STATUS),
        (503, Undelivered.BUSY),
    ],
)
async def test_a_status_is_a_failure_with_what_the_server_says(
    receiver: Receiver, status: int, reason: Undelivered
) -> None:
    receiver.replies.append(Reply(status, body="\x1b[2Jno é".encode()))
    failed = await failure(f"{receiver.url}/a-secret-path")
    assert failed.reason is reason
    assert f"answers with status {status}: \\x1b[2Jno é" in str(failed)
    assert "a-secret-path" not in str(failed)


async def test_who_is_busy_says_for_how_long(receiver: Receiver) -> None:
    receiver.replies.append(Reply(429, {"Retry-After": "17"}))
    failed = await failure(receiver.url)
    assert (failed.reason, failed.retry_after_s) == (Undelivered.BUSY, 17.0)


def test_a_rest_may_be_a_date_and_has_a_bound() -> None:
    assert 30 < rest_seconds(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert rest_seconds("99999999999999") == MOST_REST_S
    assert [rest_seconds(text) for text in ("", "-5", "soon", "1.5", "٣", formatdate(0, usegmt=True))] == [0.0] * 6


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with Receiver() as elsewhere:
        receiver.replies.append(Reply(307, {"Location": elsewhere.url}))
        assert (await failure(receiver.url)).reason is Undelivered.REDIRECT
        assert elsewhere.requests == []


async def test_nobody_listens() -> None:
    failed = await failure(f"http://127.0.0.1:{free_port()}")
    assert failed.reason is Undelivered.UNREACHABLE
    assert "Connect call failed" in str(failed)


async def test_a_name_that_is_none_is_unreachable() -> None:
    assert (await failure("http://no-such-host.invalid")).reason is Undelivered.UNREACHABLE


async def test_who_answers_slowly_is_given_up(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "DEADLINE_S", 2.0)

    def drip(connection: socket.socket) -> None:
        for _ in range(600):
            connection.sendall(b"H")
            time.sleep(0.1)

    receiver.replies.append(drip)
    assert (await failure(receiver.url)).reason in {Undelivered.TIMEOUT, Undelivered.PROTOCOL}


async def test_who_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "DEADLINE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert (await failure(f"http://127.0.0.1:{silent.getsockname()[1]}")).reason is Undelivered.TIMEOUT


async def test_of_a_huge_answer_only_a_part_is_read(receiver: Receiver) -> None:
    written = 0

    def flood(connection: socket.socket) -> None:
        nonlocal written
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while written < 1_000_000_000:
            written += connection.send(b"a" * 65_536)

    receiver.replies.append(flood)
    await sent(receiver.url)
    assert written < 500_000_000


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"",
        b"HTTP/1.1 20",
    ],
)
async def test_an_answer_that_is_none_is_refused(receiver: Receiver, answer: bytes) -> None:
    def answered(connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    receiver.replies.append(answered)
    assert (await failure(receiver.url)).reason in {Undelivered.PROTOCOL, Undelivered.UNREACHABLE}


async def test_a_certificate_is_checked(tmp_path: Path) -> None:
    ours, others = Authority(tmp_path), Authority(tmp_path, "others")
    certificate = ours.issue("collector")
    with Receiver(certificate) as encrypted:
        await sent(encrypted.url, ssl.create_default_context(cafile=ours.cert))
        assert len(encrypted.requests) == 1
        unknown = await failure(encrypted.url, ssl.create_default_context(cafile=others.cert))
        assert unknown.reason is Undelivered.TLS
        assert "CERTIFICATE_VERIFY_FAILED" in str(unknown)
    with Receiver(ours.issue("another")) as another:
        assert (await failure(another.url, ssl.create_default_context(cafile=ours.cert))).reason is Undelivered.TLS
        assert another.requests == []
    with Receiver() as plain:
        url = plain.url.replace("http:", "https:")
        assert (await failure(url, ssl.create_default_context(cafile=ours.cert))).reason is Undelivered.TLS
