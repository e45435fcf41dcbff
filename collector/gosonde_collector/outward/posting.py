"""One request to a server of somebody else: bounded in time and size, and never led elsewhere."""

import asyncio
import ssl
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import h11
from gosonde_common import __version__
from gosonde_common.foreign import shown

from gosonde_collector.model.errors import DeliveryError, Undelivered
from gosonde_collector.model.http_url import HttpUrl

#: From the look-up of the name to the end of the answer.
DEADLINE_S: Final = 15.0
#: Of an answer no more is read, and of its text no more is shown.
MOST_ANSWER_BYTES: Final = 64 << 10
MOST_SHOWN: Final = 200
HEADER_BYTES: Final = 16 << 10
PIECE_BYTES: Final = 16 << 10
#: A receiver that asks for a longer rest does not get it.
MOST_REST_S: Final = 900.0
#: What statuses other than 2xx mean; all others are STATUS.
REASONS: Final = {
    400: Undelivered.REFUSED,
    413: Undelivered.REFUSED,
    422: Undelivered.REFUSED,
    429: Undelivered.BUSY,
    503: Undelivered.BUSY,
}


class _Answer(NamedTuple):
    status: int
    retry_after: str
    text: str


async def post(url: HttpUrl, body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> None:
    """Sends a body over a connection of its own; returns when the server has taken it.

    Raises:
        DeliveryError: It did not. The message names the server, and nothing behind its host.
    """
    try:
        async with asyncio.timeout(DEADLINE_S):
            answer = await _exchange(url, body, headers, tls if url.is_encrypted else None)
    except TimeoutError as error:
        raise _failure(url, f"did not take it within {DEADLINE_S:g} s", Undelivered.TIMEOUT) from error
    except ssl.SSLError as error:
        raise _failure(url, f"no encrypted connection: {error.reason or error}", Undelivered.TLS) from error
    except (OSError, EOFError) as error:
        raise _failure(url, f"{error or type(error).__name__}", Undelivered.UNREACHABLE) from error
    except h11.ProtocolError as error:
        raise _failure(url, f"what it answers is no HTTP: {error}", Undelivered.PROTOCOL) from error
    _judge(url, answer)


def _failure(url: HttpUrl, what: str, reason: Undelivered, rest_s: float = 0.0) -> DeliveryError:
    return DeliveryError(f"{url.place}: {shown(what, 2 * MOST_SHOWN)}", reason, rest_s)


def _judge(url: HttpUrl, answer: _Answer) -> None:
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise _failure(url, f"leads elsewhere (status {answer.status}), which is not followed", Undelivered.REDIRECT)
    said = f": {answer.text.strip()[:MOST_SHOWN]}" if answer.text.strip() else ""
    reason = REASONS.get(answer.status, Undelivered.STATUS)
    raise _failure(url, f"answers with status {answer.status}{said}", reason, rest_seconds(answer.retry_after))


def rest_seconds(retry_after: str) -> float:
    """What the header Retry-After asks for: seconds or a date; 0 where it is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after[:9]), MOST_REST_S)
    try:
        until = parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(until - time.time(), 0.0), MOST_REST_S)


async def _exchange(url: HttpUrl, body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> _Answer:
    reader, writer = await asyncio.open_connection(url.host, url.port, ssl=tls)
    try:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_BYTES)
        for piece in _request(connection, url, body, headers):
            writer.write(piece)
        await writer.drain()
        return await _answer(connection, reader)
    finally:
        writer.transport.abort()


def _request(connection: h11.Connection, url: HttpUrl, body: bytes, headers: Mapping[str, str]) -> Iterator[bytes]:
    sent = {
        "Host": url.authority,
        "User-Agent": f"gosonde/{__version__}",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    for event in (
        h11.Request(method="POST", target=url.target, headers=list(sent.items())),
        h11.Data(data=body),
        h11.EndOfMessage(),
    ):
        yield connection.send(event) or b""


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader) -> _Answer:
    """What the server says, up to MOST_ANSWER_BYTES of it."""
    response: h11.Response | None = None
    read, text = 0, bytearray()
    while read <= MOST_ANSWER_BYTES:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            piece = await reader.read(PIECE_BYTES)
            read += len(piece)
            connection.receive_data(piece)
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            text += event.data[: max(0, 4 * MOST_SHOWN - len(text))]
        elif not isinstance(event, h11.InformationalResponse):
            break
    if response is None:
        raise EOFError("it closes the connection without an answer" if read <= MOST_ANSWER_BYTES else "no answer")
    rest = next((value for name, value in response.headers if name == b"retry-after"), b"")
    return _Answer(response.status_code, rest.decode("latin-1"), text.decode(errors="replace"))
