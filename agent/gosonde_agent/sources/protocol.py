"""What every source can do."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.sources.counters import Counters, Hits, Image, Origin, SiteTotal
from gosonde_agent.sources.events import Event
from gosonde_agent.sources.kinds import Kind
from gosonde_agent.sources.park_window import ParkWindow
from gosonde_agent.sources.site_window import SiteWindow


class Source(Protocol):
    """Attaches to binaries, counts, and reports what happens."""

    #: Every exec has a larger epoch; images that are older than the source have epoch 0.
    first_epoch: int
    #: What it is, and what it cannot do.
    kind: Kind

    def attach(
        self, number: int, binary: GoBinary, fd: int, pid: int | None, probes: Collection[str] | None = None
    ) -> None:
        """Watches one process, or (None) all that run the open file, now or later. Image.binary will be `number`.

        Args:
            probes: As for `set_probes`; all but that of parks where nothing is said.
        """
        ...

    def detach(self, number: int) -> None:
        """Undoes `attach`."""
        ...

    def set_probes(self, number: int, probes: Collection[str]) -> None:
        """Changes which probes of an attached binary are there; those that it has no point for never are."""
        ...

    def park_window(self, number: int, seconds: float, pids: Collection[int]) -> ParkWindow | None:
        """A window in which the parks of a file are counted, to be run before the next is asked for.

        None when the file is attached no longer. `pids` are the processes whose CPU time is needed.
        """
        ...

    def end_parks(self, number: int) -> None:
        """Detaches the park probe from a file now, if it is there or about to come; see `is_closing`."""
        ...

    def site_window(self, number: int, seconds: float) -> SiteWindow | None:
        """A window in which the creations and exits of a file are counted, to be run before the next is asked for.

        None when they are counted anyway, when probes of the file are closing, and when it is attached no longer.
        """
        ...

    def sample_creations(self, number: int) -> bool:
        """Has one of 16 creations of a file counted from now on, until `set_probes` is called; whether it is.

        Not where no place is proved that one of 16 passes, nor where all are counted, nor while probes are closing.

        Raises:
            GosondeError: The probe could not be attached.
        """
        ...

    def is_closing(self, number: int) -> bool:
        """Whether a probe that was detached can still be hit."""
        ...

    def counters(self) -> Counters:
        """All totals, now."""
        ...

    def site_totals(self, image: Image) -> Sequence[SiteTotal]:
        """The site totals of one image, now; may be called from any thread."""
        ...

    def losses(self) -> Mapping[str, int]:
        """What the source could not count, by name, now; may be called from any thread."""
        ...

    def hits(self) -> Mapping[Image, Hits]:
        """How often probes were hit, now."""
        ...

    def hit_slots(self) -> npt.NDArray[np.uint64]:
        """How often any probe was hit, now, by pid modulo the length: an upper bound that is had much faster."""
        ...

    def report_next_hit(self) -> None:
        """Has the next hit of any probe reported as an event, at once."""
        ...

    def report_end(self, tgid: int, *, enabled: bool) -> None:
        """Has the end of a process reported at once, or no longer."""
        ...

    def samples(self, image: Image) -> Mapping[int, int]:
        """Sampled creations of an image, by pc, since the probes were attached."""
        ...

    def origin(self, image: Image, pc: int) -> Origin | None:
        """What is known of the first goroutine of a site."""
        ...

    def events(self) -> list[Event]:
        """What happened since the last call, in order per CPU."""
        ...

    def forget(self, images: Collection[Image]) -> None:
        """Frees what is kept of images that have ended."""
        ...

    def epoch(self, tgid: int) -> int:
        """Number of the exec that a process runs; 0 when that was before the source."""
        ...

    def restart_counting(self, tgid: int) -> int:
        """Counts a process from now on as another image, as if it had run exec; returns its number."""
        ...

    def forget_exec(self, tgid: int, epoch: int) -> None:
        """Frees the number of an exec, unless the pid has gone on to another."""
        ...

    def execs(self) -> list[tuple[int, int]]:
        """(tgid, number) of every exec whose number is kept."""
        ...

    def close(self) -> None:
        """Detaches everything."""
        ...
