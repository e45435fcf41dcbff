"""A gRPC client that keeps to no manners: HTTP/2 frames by hand, many calls, requests that are never finished."""

import socket
import struct
from contextlib import suppress

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: The largest frame that a server takes unasked.
FRAME = 16_384
FIRST_WINDOW = 65_535


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _header(name: str, value: str) -> bytes:
    """A literal header that is not indexed; no name or value here has 127 bytes."""
    return b"\x00" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


class Connection:
    """Calls have odd numbers from 1. `answered` are those that the server ended."""

    def __init__(self, address: str, source: str = "127.0.0.1") -> None:
        host, port = address.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), 20, (source, 0))
        self._socket.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
        self._socket.setblocking(False)
        self._received = b""
        self._window = {0: FIRST_WINDOW}
        self._first_window = FIRST_WINDOW
        self._unsent: dict[int, memoryview] = {}
        self.is_closed = False
        self.answered: set[int] = set()

    def call(self, path: str, body: bytes, *, is_compressed: bool = False) -> None:
        """Begins a call and sends as much of its only message as the server lets in, in `pump`; never ends it."""
        number = 1 + 2 * len(self._unsent)
        names = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers"}
        names["content-type"] = "application/grpc"
        if is_compressed:
            names["grpc-encoding"] = "gzip"
        self._send(frame(HEADERS, 4, number, b"".join(_header(name, value) for name, value in names.items())))
        self._window[number] = self._first_window
        self._unsent[number] = memoryview(body)

    def pump(self) -> int:
        """Reads what has come and sends what may go: how many bytes."""
        self._read()
        sent = 0
        for number, left in self._unsent.items():
            size = min(FRAME, self._window[0], self._window[number], len(left))
            if size > 0 and not self.is_closed and number not in self.answered:
                self._send(frame(DATA, 0, number, bytes(left[:size])))
                self._unsent[number] = left[size:]
                self._window[0] -= size
                self._window[number] -= size
                sent += size
        return sent

    def close(self) -> None:
        self._socket.close()

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(20)
        try:
            self._socket.sendall(data)
        except OSError:
            self.is_closed = True
        self._socket.setblocking(False)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while not self.is_closed:
                try:
                    data = self._socket.recv(1 << 18)
                except ConnectionError:
                    data = b""
                self.is_closed = not data
                self._received += data
        while len(self._received) >= 9 + (length := int.from_bytes(self._received[:3], "big")):
            kind, flags = self._received[3], self._received[4]
            number = int.from_bytes(self._received[5:9], "big")
            self._take(kind, flags, number, self._received[9 : 9 + length])
            self._received = self._received[9 + length :]

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == WINDOW:
            self._window[number] = self._window.get(number, self._first_window) + int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & 1:
            for at in range(0, len(payload), 6):
                key, value = struct.unpack_from(">HI", payload, at)
                if key == 4:
                    for stream in set(self._window) - {0}:
                        self._window[stream] += value - self._first_window
                    self._first_window = value
            self._send(frame(SETTINGS, 1, 0, b""))
        elif kind == PING and not flags & 1:
            self._send(frame(PING, 1, 0, payload))
        elif kind in (HEADERS, RESET) and (kind == RESET or flags & 1):
            self.answered.add(number)
        elif kind == GOAWAY:
            self.is_closed = True
