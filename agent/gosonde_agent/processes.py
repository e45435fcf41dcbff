"""The Go processes that are watched or refused, each under the identity that the kernel side counts it by."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from gosonde_agent.baseline import Baseline
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.model import Process, ProcessKey
from gosonde_agent.sources import Image


@dataclass(slots=True)
class GoProcess:
    """One process image.

    Attributes:
        image: How the kernel side names it; None for a refused process.
        bias: Runtime address less link-time address; None until a first hit has shown it.
        description: What is told of it.
        baseline: How many goroutines of each site it had before it was counted.
        start_pcs: Where a goroutine of a site begins, both link-time addresses; of sites that memory has shown.
    """

    image: Image | None
    binary: GoBinary | None
    description: Process
    bias: int | None = None
    baseline: Baseline = field(default_factory=lambda: Baseline(known=True))
    start_pcs: dict[int, int] = field(default_factory=dict)

    @property
    def key(self) -> ProcessKey:
        """Its identity outside this host's kernel."""
        return self.description.key

    @property
    def has_ended(self) -> bool:
        """Whether it is known that it runs no more."""
        return self.description.ended_unix_nano != 0


class Processes:
    """All process images that are known, by (tgid, epoch). The epoch is the kernel's: 0 before the agent."""

    def __init__(self) -> None:
        self._by_image: dict[tuple[int, int], GoProcess] = {}

    def add(self, tgid: int, epoch: int, process: GoProcess) -> None:
        """Keeps a process image."""
        self._by_image[tgid, epoch] = process

    def get(self, tgid: int, epoch: int) -> GoProcess | None:
        """A process image; None when it is not known."""
        return self._by_image.get((tgid, epoch))

    def of_pid(self, tgid: int) -> list[tuple[int, GoProcess]]:
        """(epoch, process) of every image of a pid that is still kept."""
        return [(epoch, process) for (pid, epoch), process in self._by_image.items() if pid == tgid]

    def remove(self, tgid: int, epoch: int) -> None:
        """Forgets a process image."""
        self._by_image.pop((tgid, epoch), None)

    def __iter__(self) -> Iterator[GoProcess]:
        return iter(list(self._by_image.values()))

    def items(self) -> list[tuple[tuple[int, int], GoProcess]]:
        """((tgid, epoch), process) of all."""
        return list(self._by_image.items())

    def __len__(self) -> int:
        return len(self._by_image)
