"""The source that probes nothing: what a process does is known by readings of its memory alone."""

from gosonde_agent.sources.kinds import MEMORY
from gosonde_agent.sources.plain import PlainSource


class MemorySource(PlainSource):
    """A Source that counts nothing: all that is known are the readings that the monitor makes anyway."""

    def __init__(self) -> None:
        super().__init__(MEMORY)
