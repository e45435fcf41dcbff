"""How a service stops: in order, but never later than its supervisor waits for it."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import structlog

from gosonde_common.unbroken import end_unbroken

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: A service that is to stop ends after so long, whatever it still has to do: less than systemd waits.
STOP_SECONDS = 8.0


def on_stop(stop: Callable[[], None], seconds: float = STOP_SECONDS) -> None:
    """Has the running event loop call `stop` at the first SIGTERM or Ctrl-C.

    The second one ends the process at once, and so do `seconds` that have passed since the first: what a service has
    acknowledged is on disk, and the kernel detaches the probes of an agent that is gone. What is `unbroken` is waited
    for, a moment; the third signal does not wait.
    """
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _second)
        timer = threading.Timer(seconds, _end, (seconds,))
        timer.daemon = True
        timer.start()
        stop()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, first)


def _second(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_DFL)
    end_unbroken()
    os.kill(os.getpid(), number)


def _end(seconds: float) -> None:
    log.warning("not everything was done in time: ending without it", after_seconds=seconds)
    end_unbroken()
    os._exit(0)
