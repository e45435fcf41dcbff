"""One process that is counted: what its events' rings hold, and what the events themselves have counted."""

import contextlib
import mmap
import os
import threading
import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gosonde_agent.host.sampling_events import Instruction
from gosonde_agent.sources.counters import UNATTRIBUTED, Hits, SiteTotal
from gosonde_agent.sources.perf import samples
from gosonde_agent.sources.perf.attribution import Attribution
from gosonde_agent.sources.perf.points import Points
from gosonde_agent.sources.perf.rings import Ring

#: Between two looks into the rings, in seconds.
PAUSE = 0.02
#: What part of the time reading the events' own counters may take: there are some for each thread and CPU.
COMPARING_PART = 0.05
#: Seconds after which they are read again whatever part that is: gosonde may have been stopped while it read them.
MOST_BETWEEN = 1.0
#: Places of the instructions among the events: what is opened first.
EXITED, CREATED = 0, 1


class Counting:
    """Samples of one process, taken out by a thread of their own until `close`, and when somebody asks.

    Attributes:
        pid: The process.
        hits: How often each instruction was reached, as far as samples say.
    """

    def __init__(self, pid: int, points: Points, rings: Mapping[int, Ring], events: Sequence[tuple[int, int]]) -> None:
        """`events` are (place of the instruction, descriptor), and may grow until `begin`; all is closed here."""
        self.pid = pid
        self.hits = Hits()
        self._points = points
        self._rings = rings
        self._events = events
        self._layout = samples.dtype(len(points.registers))
        self._attribution = Attribution()
        self._compare_at = 0.0
        self._held = np.zeros(0, self._layout)
        self._sampled = [0, 0]
        self._lost = [0, 0]
        self._counted = [0, 0]
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._drain_always, name="perf samples", daemon=True)

    def begin(self, statements: Mapping[int, int], known_at: int) -> None:
        """Takes by whom each g was created last, and begins to take samples; see `Attribution.begin`."""
        self._attribution.begin(statements, known_at)
        self._thread.start()

    def totals(self) -> list[SiteTotal]:
        """By statement, now."""
        with self._lock:
            self._compare()
            created, exited = self._attribution.created, self._attribution.exited
            found = [SiteTotal(pc, created[pc], exited.get(pc, 0)) for pc in created]
            found += [SiteTotal(pc, 0, count) for pc, count in exited.items() if pc not in created]
            nowhere = self._lost[CREATED], self._lost[EXITED] + self._attribution.unplaced
            return [*found, SiteTotal(UNATTRIBUTED, *nowhere)] if any(nowhere) else found

    def losses(self) -> dict[str, int]:
        """What has no statement, by name."""
        with self._lock:
            return {"samples_lost": sum(self._lost), "exits_unplaced": self._attribution.unplaced}

    def close(self) -> None:
        """Takes the breakpoints out."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            for _, event in self._events:
                with contextlib.suppress(OSError):
                    os.close(event)
            for ring in self._rings.values():
                ring.close()
            self._events, self._rings = (), {}

    def _drain_always(self) -> None:
        while not self._closing.wait(PAUSE):
            with self._lock:
                self._drain()

    def _compare(self) -> None:
        """Takes what is in the rings, and finds what is lost: events count whatever becomes of samples.

        A thread may be interrupted between the two, so they are held against what they had counted the last time.
        """
        self._drain()
        for which in (EXITED, CREATED):
            self._lost[which] = max(self._lost[which], self._counted[which] - self._sampled[which])
        if (began := time.monotonic()) >= self._compare_at:
            self._counted = [self._read(EXITED), self._read(CREATED)]
            ended = time.monotonic()
            self._compare_at = ended + min((ended - began) / COMPARING_PART, MOST_BETWEEN)

    def _drain(self) -> None:
        # What comes while one ring is taken after the other waits for the next time, so that none comes without what
        # was before it in another ring.
        began = time.monotonic_ns()
        found = [samples.parse(ring.take(), self._layout) for ring in self._rings.values()]
        for rows in found:
            self._count(rows)
        rows = np.concatenate([self._held, *found])
        is_early = rows["time"] <= began
        self._held = rows[~is_early]
        self._add(rows[is_early])

    def _read(self, which: int) -> int:
        """By the events themselves, which count exactly, also what has no sample and what other processes do."""
        return sum(int.from_bytes(os.read(event, 8), "little") for index, event in self._events if index == which)

    def _count(self, rows: npt.NDArray[np.void]) -> None:
        for which, instruction in enumerate(instructions(self._points)):
            # Other processes may have the file at other addresses, but at the same place in a page.
            self._sampled[which] += int(np.count_nonzero((rows["ip"] - instruction.address) % mmap.PAGESIZE == 0))

    def _add(self, rows: npt.NDArray[np.void]) -> None:
        own = rows[rows["pid"] == self.pid]
        created = own[own["ip"] == self._points.created.address]
        exited = own[own["ip"] == self._points.exited.address]
        self.hits = self.hits.plus(Hits(len(created), len(exited)))
        points = self._points
        creations = (created["time"], points.of(created, points.g), points.of(created, points.site))
        self._attribution.add(
            zip(*(column.tolist() for column in creations), strict=True),
            zip(exited["time"].tolist(), points.of(exited, points.ending).tolist(), strict=True),
            time.monotonic_ns(),
        )


def instructions(points: Points) -> tuple[Instruction, Instruction]:
    """What to sample, in the order of EXITED and CREATED."""
    return points.exited, points.created
