"""systemd's notification protocol: ready, reloading, stopping, and the watchdog."""

import asyncio
import os
from collections.abc import Callable

import sdnotify


def _never() -> bool:
    return False


class Notifier:
    """Reports to the service manager how this service is; does nothing when none is listening."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()

    def ready(self, status: str) -> None:
        """The service has started; `status` is what `systemctl status` shows."""
        self._notifier.notify(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """The service is shutting down."""
        self._notifier.notify("STOPPING=1")

    async def watchdog(self, is_stuck: Callable[[], bool] = _never) -> None:
        """Reports to the watchdog twice in its period while the event loop runs and nothing else is stuck.

        Returns when there is no watchdog.
        """
        period_usec = int(os.environ.get("WATCHDOG_USEC", "0"))
        while period_usec:
            if not is_stuck():
                self._notifier.notify("WATCHDOG=1")
            await asyncio.sleep(period_usec / 2_000_000)
