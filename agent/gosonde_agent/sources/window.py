"""A short time in which probes are in a file: it runs in one thread and may be ended from another."""

import threading
from dataclasses import dataclass, field

from gosonde_common.errors import GosondeError


@dataclass(slots=True)
class Window:
    """One window, yet to be opened: `run` in any thread opens and closes it; `end` closes it before its time.

    Attributes:
        failure: Why the probes could not be attached.
    """

    failure: GosondeError | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _has_begun: bool = field(default=False, init=False)
    _ending: threading.Event = field(default_factory=threading.Event, init=False)
    _gone: threading.Event = field(default_factory=threading.Event, init=False)

    def run(self) -> None:
        """Opens the window and returns when its probes are gone; does nothing when it was ended already."""
        with self._lock:
            if self._ending.is_set():
                return
            self._has_begun = True
        try:
            self._measure()
        except GosondeError as error:
            self.failure = error
        finally:
            self._gone.set()

    def end(self) -> None:
        """Detaches the probes now, from another thread; `wait` returns when they are out."""
        with self._lock:
            self._ending.set()
            if not self._has_begun:
                self._gone.set()

    def wait(self) -> None:
        """Returns when the probes cannot be hit any more."""
        self._gone.wait()

    @property
    def is_closing(self) -> bool:
        """Whether it was ended and can still be hit."""
        return self._ending.is_set() and not self._gone.is_set()

    def _measure(self) -> None:
        """Opens the window, counts, and closes it.

        Raises:
            GosondeError: The probes could not be attached.
        """
        raise NotImplementedError

    def _stay(self, seconds: float) -> None:
        """Returns after so long, or when the window is to end."""
        self._ending.wait(seconds)
