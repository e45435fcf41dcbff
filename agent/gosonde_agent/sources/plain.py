"""What sources without BPF have in common: they watch single processes, and learn of an exec by looking."""

import time
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from gosonde_common.errors import GosondeError

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.host import procfs
from gosonde_agent.model.errors import ProbeError
from gosonde_agent.sources.counters import Counters, Hits, Image, Origin, SiteTotal
from gosonde_agent.sources.events import EVENT_EXEC, Event
from gosonde_agent.sources.kinds import Kind
from gosonde_agent.sources.park_window import ParkWindow
from gosonde_agent.sources.site_window import SiteWindow


class PlainSource:
    """A Source that counts nothing by itself: what a kind of source can do, it does instead of what is here.

    Attributes:
        kind: What it is.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.first_epoch = int(time.time() * 256) & 0x7FFFFFFF
        self._last_epoch = self.first_epoch
        #: Of each process that is watched: what distinguishes the program that it runs, and the number of its exec.
        self._programs: dict[int, bytes] = {}
        self._epochs: dict[int, int] = {}

    # --- probes ------------------------------------------------------------------------------------------------------

    def attach(
        self, number: int, binary: GoBinary, fd: int, pid: int | None, probes: Collection[str] | None = None
    ) -> None:
        """Watches one process.

        Raises:
            ProbeError: It is a file that is to be watched, not a process.
            NoSuchProcessError: The process has ended.
            NotPermittedError: Privileges are missing.
        """
        del number, binary, fd, probes
        if pid is None:
            raise ProbeError(f"{self.kind.title} watch single processes, not files: name one with --pid")
        self._programs[pid] = procfs.loaded_program(pid)

    def detach(self, number: int) -> None:
        """See Source."""

    def set_probes(self, number: int, probes: Collection[str]) -> None:
        """See Source."""

    def park_window(self, number: int, seconds: float, pids: Collection[int]) -> ParkWindow | None:  # noqa: ARG002
        """None: there are none."""
        return None

    def end_parks(self, number: int) -> None:
        """See Source."""

    def site_window(self, number: int, seconds: float) -> SiteWindow | None:  # noqa: ARG002
        """None: there are none."""
        return None

    def sample_creations(self, number: int) -> bool:  # noqa: ARG002
        """False: it does not."""
        return False

    def is_closing(self, number: int) -> bool:  # noqa: ARG002
        """False: what is closed is gone."""
        return False

    # --- what was counted --------------------------------------------------------------------------------------------

    def counters(self) -> Counters:
        """See Source."""
        return Counters()

    def site_totals(self, image: Image) -> Sequence[SiteTotal]:  # noqa: ARG002
        """See Source."""
        return ()

    def losses(self) -> Mapping[str, int]:
        """See Source."""
        return {}

    def hits(self) -> Mapping[Image, Hits]:
        """See Source."""
        return {}

    def hit_slots(self) -> npt.NDArray[np.uint64]:
        """See Source."""
        return np.array([sum(map(sum, self.hits().values()))], np.uint64)

    def samples(self, image: Image) -> Mapping[int, int]:  # noqa: ARG002
        """See Source."""
        return {}

    def origin(self, image: Image, pc: int) -> Origin | None:  # noqa: ARG002
        """See Source."""
        return None

    def forget(self, images: Collection[Image]) -> None:
        """See Source."""

    # --- events ------------------------------------------------------------------------------------------------------

    def report_next_hit(self) -> None:
        """Nothing: whoever uses it asks."""

    def report_end(self, tgid: int, *, enabled: bool) -> None:
        """Nothing: whoever uses it asks."""

    def events(self) -> list[Event]:
        """The execs that watched processes have run since the last call."""
        return [event for pid in list(self._programs) if (event := self._exec_of(pid)) is not None]

    def _exec_of(self, pid: int) -> Event | None:
        try:
            program = procfs.loaded_program(pid)
        except GosondeError:
            del self._programs[pid]
            return None
        if program == self._programs[pid]:
            return None
        self._programs[pid] = program
        return Event(EVENT_EXEC, pid, self._next_epoch(pid), 0, 0, 0, time.monotonic_ns(), 0, 0, 0)

    def _next_epoch(self, pid: int) -> int:
        """The number of an exec that a process has just run."""
        self._last_epoch += 1
        self._epochs[pid] = self._last_epoch
        return self._last_epoch

    # --- numbers of execs --------------------------------------------------------------------------------------------

    def epoch(self, tgid: int) -> int:
        """See Source."""
        return self._epochs.get(tgid, 0)

    def restart_counting(self, tgid: int) -> int:
        """See Source.

        Raises:
            ProbeError: Always: who is watched no more is not watched again.
        """
        raise ProbeError(f"process {tgid} cannot be counted again by {self.kind.title}")

    def forget_exec(self, tgid: int, epoch: int) -> None:
        """See Source."""
        if self._epochs.get(tgid) == epoch:
            del self._epochs[tgid]

    def execs(self) -> list[tuple[int, int]]:
        """See Source."""
        return list(self._epochs.items())

    def close(self) -> None:
        """See Source; it may be called again."""
