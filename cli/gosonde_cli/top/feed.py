"""Where pictures come from: a thread that takes them, so that keys are answered meanwhile."""

import threading
from abc import ABC, abstractmethod
from typing import Final

from gosonde_cli.top.picture import Picture

#: How long the probes may take to come out before the command ends all the same; the kernel takes them out then.
CLOSING_SECONDS: Final = 20.0


class StoppedError(Exception):
    """The view has ended: nobody wants more pictures."""


class Feed(ABC):
    """Takes pictures from `start` to `close`.

    Attributes:
        picture: The newest.
        error: What ended it; None while it goes on, and where it ended well.
    """

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.error: BaseException | None = None
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="top", daemon=True)

    @abstractmethod
    def watch(self) -> None:
        """Takes pictures until `stopping` is set; may raise StoppedError then."""

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends it; returns when nothing is left in the process that is watched, or when that takes too long."""
        self.stopping.set()
        self._thread.join(CLOSING_SECONDS)

    def _run(self) -> None:
        try:
            self.watch()
        except StoppedError:
            return
        except BaseException as error:  # raised again where the view is
            self.error = error
