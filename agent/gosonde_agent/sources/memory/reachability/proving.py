"""When what scans say is a proof: five that agree, in different orders, over five seconds; or one of a quiet process.

A goroutine that can never be woken is accused by every scan, for what reaches it does not change. One that can be woken
may be accused by a scan during which pointers to what it waits for were moved; each further scan in another order finds
them with a likelihood of its own.
"""

import time
from dataclasses import dataclass

import numpy as np

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import NotDecidedError
from gosonde_agent.sources.memory.reachability.rows import I64, Bools
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.reachability.scanner import Scanner, Suspected, everyone

#: Scans that must agree, and how long after the first the last must begin.
SCANS, SECONDS = 5, 5.0
#: So many that agree make it very probable.
PROBABLE = 2
#: So many are made, where the registers of running threads are not seen in each.
MOST = 2 * SCANS
#: A hurried search makes so many scans, and begins one every so many seconds.
HURRIED, HURRIED_SECONDS = PROBABLE + 1, 0.25
#: A scan that contradicts itself is made again; so many in all.
RETRIES = 5
#: Why nothing is proved though all scans agree.
UNSEEN = (
    "the registers of threads could not be read: the process is stopped, waits for a CPU all the time or "
    "has too many threads, or perf_event_open is not permitted"
)
#: The goroutine of main.main: one that ends in `select {}` is how many healthy programs are written.
MAIN = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one process; the arrays have an element for each goroutine of `first`.

    Attributes:
        decided: All that was suspected was looked at to the end. What is proved is so in any case.
        why: Why it was not; empty when it was.
        scans: How many scans there were.
        quiet: The process did not run during the last of them.
        first: The first scan, which has the graph of who holds the others; None when there was none.
        agreed: How many scans accused each, from the first on.
        proved: Can never run again.
        probable: Very probably cannot; not proved.
    """

    decided: bool
    why: str
    scans: int
    quiet: bool
    first: Scan | None
    agreed: I64
    proved: Bools
    probable: Bools


class Trial:
    """What the scans of one process say together. A scan is added as soon as it is made."""

    def __init__(self) -> None:
        self._first: Scan | None = None
        self._agreed = np.zeros(0, np.int64)
        self._scans, self._seen, self._quiet, self._began, self._last = 0, 0, False, 0.0, 0.0

    @property
    def order(self) -> int:
        """In which order the next scan is to go through the heap."""
        return self._scans

    @property
    def is_over(self) -> bool:
        """Whether no further scan could change anything."""
        return self._first is not None and (self._is_enough() or self._scans >= MOST or not self._standing().any())

    def _is_enough(self) -> bool:
        return self._quiet or (self._seen >= SCANS and self._last - self._began >= SECONDS)

    def suspected(self, goroutines: Goroutines) -> Bools:
        """Whom the next scan is to look at: those that all scans before accused, and that did not move."""
        if self._first is None:
            return everyone(goroutines)
        rows = np.flatnonzero(self._standing())
        found = goroutines.rows_of(self._first.goroutines.at[rows])
        suspected = np.zeros(len(goroutines), np.bool_)
        suspected[found[found >= 0]] = True
        return suspected

    def add(self, scan: Scan, began: float) -> None:
        """Takes a scan that began at a moment of time.monotonic()."""
        if self._first is None:
            self._first, self._began = scan, began
            self._agreed = scan.accused.astype(np.int64)
        else:
            before = self._first.goroutines
            row = scan.goroutines.rows_of(before.at)
            same = (row >= 0) & before.unmoved(scan.goroutines) & (scan.awaited[row] == self._first.awaited)
            self._agreed += self._standing() & same & scan.accused[row]
        self._scans, self._seen = self._scans + 1, self._seen + (not scan.unseen)
        self._quiet, self._last = scan.quiet, began

    def _standing(self) -> Bools:
        standing: Bools = self._agreed == max(self._scans, 1)
        return standing

    def verdict(self, why: str = "") -> Verdict:
        """What they say; `why` says why there are no more scans."""
        nobody = np.zeros(len(self._agreed), np.bool_)
        if self._first is None:
            return Verdict(False, why, 0, False, None, self._agreed, nobody, nobody)
        standing = self._standing() & (self._first.goroutines.goid != MAIN)
        proved = standing if self._is_enough() and not self._first.foreign else nobody
        probable = standing & ~proved if self._quiet or self._scans >= PROBABLE else nobody
        if not why and self._first.foreign:
            why = f"the process has code that is not Go ({self._first.foreign}), and it may hide pointers"
        if not why and probable.any() and self._scans >= MOST:
            why = UNSEEN
        if not why and self._first.given_up.any():
            why = f"not all holders of {int(self._first.given_up.sum())} blocked goroutines were examined"
        return Verdict(not why, why, self._scans, self._quiet, self._first, self._agreed, proved, probable)


def prove(scanner: Scanner, suspected: Suspected = everyone, *, hurried: bool = False) -> Verdict:
    """Scans until it is proved who can never run again, which takes five seconds or one quiet scan.

    Args:
        scanner: Of the process.
        suspected: Whom the first scan is to look at.
        hurried: Makes three scans within about a second at most; without a quiet one nothing is proved then.

    Raises:
        GosondeError: The process has ended, runs another program, or may not be read.
    """
    trial, failed = Trial(), 0
    began = time.monotonic()
    most, apart = (HURRIED, HURRIED_SECONDS) if hurried else (MOST, SECONDS / (SCANS - 1))
    while not trial.is_over and trial.order < most:
        try:
            started = time.monotonic()
            trial.add(scanner.scan(trial.suspected if trial.order else suspected, trial.order), started)
        except NotDecidedError as error:
            return trial.verdict(str(error))
        except (ImplausibleMemoryError, UnreadableMemoryError) as error:
            failed += 1
            if failed > RETRIES:
                return trial.verdict(str(error))
        if not trial.is_over and trial.order < most:
            time.sleep(max(began + trial.order * apart - time.monotonic(), 0.0))
    return trial.verdict()
