"""Stands where systemd does: hears what a service says of itself, and when."""

import os
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

#: What systemd tells a service of its watchdog: the service says that it is alive twice in that time.
PERIOD_SECONDS = 2.0
#: How long a service may be silent under an attack, whatever the machine does: a sixth of what the units allow.
LONGEST_SILENCE_SECONDS = 5.0


class ServiceManager:
    """Listens on a notification socket in `folder`.

    Attributes:
        environment: For the service: its own environment, and where it is listened to.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "notify"
        self.environment: Mapping[str, str] = os.environ | {
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": str(int(PERIOD_SECONDS * 1e6)),
        }
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.2)
        self._alive_at: list[float] = []
        self._over = threading.Event()
        self._listener = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._listener.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                message = self._socket.recv(4096)
            except TimeoutError:
                continue
            if b"WATCHDOG=1" in message.split(b"\n"):
                self._alive_at.append(time.monotonic())

    def longest_silence(self, since: float | None = None) -> float:
        """Seconds of the longest time without a word of the service until now.

        Args:
            since: CLOCK_MONOTONIC; None from its first word on.
        """
        heard = [at for at in self._alive_at if since is None or at > since]
        begin = heard[0] if since is None else since
        return max(after - before for before, after in zip([begin, *heard], [*heard, time.monotonic()], strict=True))
