"""Probes that come together for a short while, and go together."""

import time
from collections.abc import Callable, Sequence

from gosonde_agent.host.threads import Workers
from gosonde_agent.sources.ebpf.uprobe import close_all


class WindowProbes:
    """What the callables in `openers` open, which each return what holds a probe.

    Where a link is a probe (`together`), its breakpoint goes at once, and only then the kernel waits. A perf event
    keeps its breakpoint while the kernel waits for the end of its link.
    """

    def __init__(self, openers: Sequence[Callable[[], list[int]]], closers: Workers, *, together: bool) -> None:
        self._openers = openers
        self._closers = closers
        self._together = together
        self._open: list[list[int]] = []

    def open(self) -> None:
        """Puts all of them in, or none.

        Raises:
            GosondeError: As the callables do.
        """
        try:
            for opener in self._openers:
                self._open.append(opener())
        except BaseException:
            self.close()
            raise

    def close(self) -> int:
        """Removes them at the same time; for how many ns nobody saw hits, though a target may have run into them."""
        began_ns = time.monotonic_ns()
        closing = [self._closers.submit(_closing(descriptors)) for descriptors in self._open]
        self._open = []
        ended_ns = max((future.result() for future in closing), default=began_ns)
        return 0 if self._together else ended_ns - began_ns


def _closing(descriptors: Sequence[int]) -> Callable[[], int]:
    def close() -> int:
        """When (CLOCK_MONOTONIC) the link was closed, and the breakpoint went."""
        *others, link = descriptors
        close_all([link])
        ended_ns = time.monotonic_ns()
        close_all(others)
        return ended_ns

    return close
