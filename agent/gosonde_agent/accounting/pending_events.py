"""The stop-the-world pauses and GC cycles between two observations: a bounded number, of which nobody gets all."""

from collections import Counter
from collections.abc import Collection

from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.events import Event

MAX_EVENTS = 65_536
#: Of what is left an image may have so much: whoever comes next finds room.
IMAGE_PART = 2


class PendingEvents:
    """Keeps events until they are taken.

    Attributes:
        dropped: How many were not kept.
        short: The images that they were of.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.short: set[Image] = set()
        self._events: list[Event] = []
        self._of: Counter[Image] = Counter()

    def add(self, event: Event) -> None:
        """Keeps one, if its image has room left."""
        image = Image(event.tgid, event.epoch, event.binary)
        if self._of[image] >= (MAX_EVENTS - len(self._events)) // IMAGE_PART:
            self.dropped += 1
            self.short.add(image)
            return
        self._of[image] += 1
        self._events.append(event)

    def of_kind(self, kind: int) -> set[Image]:
        """The images that have events of a kind."""
        return {Image(event.tgid, event.epoch, event.binary) for event in self._events if event.kind == kind}

    def take(self, known: Collection[Image | None]) -> list[Event]:
        """All of them, in the order in which they came; of images that are not known, it is forgotten who was short."""
        self.short.intersection_update(known)
        taken, self._events = self._events, []
        self._of.clear()
        return taken
