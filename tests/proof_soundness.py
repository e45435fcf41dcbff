"""Programs that are scanned again and again, and who is proved to be lost that is not."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, repeat

import numpy as np
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.examining import scanner_of
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import NotDecidedError
from gosonde_agent.sources.memory.reachability.proving import SCANS, SECONDS, Trial
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.target import Target, opened

from tests.proof_subjects import Judge, subjects

#: Groups of programs, each of which run at the same time and are scanned by one process.
GROUPS = 6
#: Trials of one program that go on at the same time, each begun by another scan.
TRIALS = 64
#: Scans come before the programs where both want a CPU, so that there are many; the programs have the other CPUs.
NICE = -10


@dataclass(slots=True)
class Soundness:
    """One program, scanned again and again.

    Attributes:
        quiet: Scans of a process that did not run meanwhile.
        unseen: Scans for which the registers of running threads were not all seen.
        candidates: Blocked goroutines that were looked at, summed over the scans.
        accused: Accusations of single scans, which prove nothing.
        trials: How many proofs were tried that the first scan did not end.
        undecided: Scans that were given up.
        proved: How many goroutines were proved to be lost.
        wrong: How many of them are not.
    """

    name: str
    scans: int = 0
    quiet: int = 0
    unseen: int = 0
    candidates: int = 0
    accused: int = 0
    trials: int = 0
    undecided: int = 0
    proved: int = 0
    wrong: int = 0


def soundness(names: Sequence[str], scans: int, seconds: float, at_once: int) -> list[Soundness]:
    """Scans each program so often, `at_once` groups of them at the same time, or for so long altogether."""
    groups = [names[begin::GROUPS] for begin in range(min(GROUPS, len(names)))]
    each = seconds * min(1.0, at_once / GROUPS)
    with ProcessPoolExecutor(at_once, multiprocessing.get_context("spawn")) as pool:
        found = pool.map(_scanned, groups, repeat(scans), repeat(each))
        return sorted(chain.from_iterable(found), key=lambda one: names.index(one.name))


def _scanned(names: Sequence[str], scans: int, seconds: float) -> list[Soundness]:
    group = [subject for subject in subjects() if subject.name in names]
    os.setpriority(os.PRIO_PROCESS, 0, 0)  # the programs have what this process has when it starts them
    end = time.monotonic() + seconds
    with ExitStack() as stack:
        watched = []
        for subject in group:
            pid, judge = stack.enter_context(subject.run())
            watched.append((Watched(subject.name, stack.enter_context(opened(pid))), judge))
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        while time.monotonic() < end and any(one.found.scans < scans for one, _ in watched):
            for one, _ in watched:
                one.scan()
        for one, judge in watched:
            one.judge(judge)
        return [one.found for one, _ in watched]


@dataclass(slots=True)
class _Pending:
    """A proof that is tried, with its last scan's moment."""

    last: float
    trial: Trial = field(default_factory=Trial)


class Watched:
    """A program that is scanned again and again.

    Every scan that accuses someone begins a trial, which then takes as many scans, and as far apart, as a proof does.
    """

    def __init__(self, name: str, target: Target) -> None:
        self.found = Soundness(name)
        self._target = target
        self._scanner = scanner_of(target)
        self._pending: list[_Pending] = []
        self._proved: list[Goroutines] = []

    def scan(self) -> None:
        """Makes one scan, and proves what it proves together with those before it."""
        began = time.monotonic()
        try:
            scan = self._scanner.scan(order=self.found.scans)
        except (NotDecidedError, ImplausibleMemoryError, UnreadableMemoryError):
            self.found.undecided += 1
            return
        self._count(scan)
        due = [one for one in self._pending if began - one.last >= SECONDS / (SCANS - 1)]
        if scan.accused.any() and len(self._pending) < TRIALS:
            fresh = _Pending(began)
            self._pending.append(fresh)
            due.append(fresh)
            self.found.trials += 1
        for one in due:
            one.last = began
            one.trial.add(scan, began)
            if one.trial.is_over:
                self._pending.remove(one)
                self._keep(one.trial)

    def _count(self, scan: Scan) -> None:
        self.found.scans += 1
        self.found.quiet += scan.quiet
        self.found.unseen += scan.unseen
        self.found.candidates += int(scan.suspects.sum())
        self.found.accused += int(scan.accused.sum())

    def _keep(self, trial: Trial) -> None:
        verdict = trial.verdict()
        if verdict.first is not None and verdict.proved.any():
            self._proved.append(verdict.first.goroutines.selected(verdict.proved))

    def judge(self, judge: Judge) -> None:
        """Counts who was proved, and who of them is not lost, as the program knows or as they moved."""
        proved, wrong = set[int](), set[int]()
        now = self._scanner.scan(lambda goroutines: np.zeros(len(goroutines), np.bool_)).goroutines
        for those in self._proved:
            proved |= set(those.goid.tolist())
            wrong |= set(those.goid[~those.unmoved(now)].tolist())
        if self._proved:
            last = {goid: row for row, goid in enumerate(now.goid.tolist())}
            rows = np.array([last[goid] for goid in sorted(proved & last.keys())], np.int64)
            wrong |= judge(self._target, now.selected(rows))
        self.found.proved, self.found.wrong = len(proved), len(wrong)
