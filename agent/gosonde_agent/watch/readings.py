"""Readings of processes' memory: which is due, and taking in what was read."""

from collections.abc import Mapping

from gosonde_agent.accounting.aggregation import Aggregation
from gosonde_agent.accounting.processes import Processes
from gosonde_agent.sources.memory.target import KnownBinaries
from gosonde_agent.watch.heaps import HeapReading, Heaps
from gosonde_agent.watch.looks import Look
from gosonde_agent.watch.quiet import Quiet
from gosonde_agent.watch.reconciliation import Reconciler
from gosonde_agent.watch.visit import Scan


class Readings:
    """What is read of memory. A reading is run in any thread; everything here is called from the monitor's.

    Attributes:
        reconciler: Plans readings, and settles what they show.
    """

    def __init__(self, processes: Processes, reconciler: Reconciler, aggregation: Aggregation, quiet: Quiet) -> None:
        self.reconciler = reconciler
        self._processes = processes
        self._aggregation = aggregation
        self._quiet = quiet
        self._heaps = Heaps(processes)

    @property
    def losses(self) -> Mapping[str, int]:
        """What readings have shown to be lost, by name."""
        return self.reconciler.losses

    @property
    def binaries(self) -> KnownBinaries:
        """What readings have found out about files."""
        return self.reconciler.binaries

    def next(self, share: float = float("inf"), first_share: float = float("inf")) -> Scan | None:
        """A process whose memory is due to be read, if there is one: run it, then give it to `take`.

        Args:
            share: What part of one CPU is for readings in the long run, but for first ones.
            first_share: What part is for first readings of a process, while there are any.
        """
        return self.reconciler.next(share, first_share)

    def next_or_due(self, share: float, first_share: float) -> tuple[Scan | None, float]:
        """What `next` gives; without it, the seconds until there is something, as far as is known now."""
        scan = self.next(share, first_share)
        return scan, 0.0 if scan else self.reconciler.soonest_in()

    def due_in(self) -> float:
        """Seconds until the memory of a process is due to be read, as far as is known now."""
        return self.reconciler.due_in()

    def forget_binaries(self) -> None:
        """Forgets what can be found out again of files when memory is read next."""
        self.reconciler.forget_binaries()

    def take(self, scan: Scan) -> None:
        """Records a reading that has run."""
        process, losses = scan.process, dict(self.reconciler.losses)
        known = process.precise, process.baseline.uncertain
        with self._processes.alone(process.key.pid, "take a reading"):
            self.reconciler.finish(scan)
        if (process.precise, process.baseline.uncertain) != known or self.reconciler.losses != losses:
            self._quiet.happened()

    def read_due(self) -> None:
        """Reads what is due, here and now."""
        while (scan := self.next()) is not None:
            scan.run()
            self.take(scan)

    def next_look(self) -> Look | None:
        """A look at how many goroutines processes have of which memory alone shows that, to be run in any thread."""
        return self.reconciler.looks.next()

    def take_look(self, look: Look) -> None:
        """Records what a look has found by now; what is still to be counted is left."""
        self.reconciler.looked(self.reconciler.looks.take(look))

    def close(self) -> None:
        """Closes what is kept open of processes; nothing is read any more."""
        self.reconciler.looks.close()

    def next_heaps(self) -> HeapReading | None:
        """The heaps of processes that had a GC cycle since the last observation, to be read in any thread."""
        return self._heaps.next(self._aggregation.cycling())

    def take_heaps(self, reading: HeapReading) -> None:
        """Records what a reading has found by now, for the next observation; what is still to be read is left."""
        self._aggregation.add_heaps(self._heaps.take(reading))
