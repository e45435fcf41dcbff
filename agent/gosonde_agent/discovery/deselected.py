"""Processes that were watched until the operator's rules no longer selected them.

Where others of its file are still watched, the probes stay and count a deselected process too, unreported. When it is
selected again it is watched as another image, whose counts begin at zero, so that nothing of the time between shows.
"""

from collections.abc import Collection

from gosonde_agent.host import procfs
from gosonde_agent.sources.counters import Counters, Image
from gosonde_agent.sources.protocol import Source

#: Process.refusal of a process that is reported one last time.
DESELECTED = "the agent's configuration no longer selects this process"


class Deselected:
    """By (tgid, epoch), until they end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._start_ticks: dict[tuple[int, int], int] = {}

    def add(self, tgid: int, epoch: int, start_ticks: int) -> None:
        """A process is no longer selected."""
        self._start_ticks[tgid, epoch] = start_ticks

    def __contains__(self, image: tuple[int, int]) -> bool:
        return image in self._start_ticks

    def is_past(self, tgid: int, epoch: int) -> bool:
        """Whether a process was deselected as the image of this epoch, and is another one by now."""
        return (tgid, epoch) in self and self._source.epoch(tgid) != epoch

    def forget_unused(self, counters: Counters, numbers: Collection[int]) -> None:
        """Frees the counts of those that have ended, are another image, or are not probed: not by any of `numbers`."""
        if not self._start_ticks:
            return
        images = counters.images()
        over: list[Image] = []
        for (tgid, epoch), start_ticks in list(self._start_ticks.items()):
            is_over = self._source.epoch(tgid) != epoch or procfs.has_ended(tgid, start_ticks)
            over += [image for image in images.get((tgid, epoch), ()) if is_over or image.binary not in numbers]
            if is_over:
                del self._start_ticks[tgid, epoch]
        self._source.forget(over)
