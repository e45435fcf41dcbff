"""Proofs about labelled programs, held against what Go's own goroutineleak profile says of them (Go 1.27)."""

import re
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from gosonde_agent.sources.memory.reachability.examining import scanner_of
from gosonde_agent.sources.memory.reachability.limits import NotDecidedError
from gosonde_agent.sources.memory.reachability.proving import Trial, prove
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.target import Target, opened
from gosonde_common.errors import GosondeError

from tests.go_programs import GoProgram, build
from tests.labelled_programs import Labelled

#: A line of a goroutine in a profile of debug=2 that the runtime found to be leaked.
LEAKED = re.compile(r"^goroutine (\d+) .*\[[^\]]*\(leaked\)", re.MULTILINE)
#: Trials that go on at the same time, each begun by another scan.
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Recall:
    """One leaking program: goroutines and `go` statements of those that lived when the proof began.

    Attributes:
        runtime: Whom the runtime's own profile, taken after the proof, calls leaked.
        both: Who is proved of those.
        more: Who is proved and not in the profile.
    """

    name: str
    runtime: int
    both: int
    more: int
    runtime_sites: int
    both_sites: int
    why: str


@dataclass(slots=True)
class Soundness:
    """One healthy program, scanned again and again.

    Attributes:
        candidates: Blocked goroutines that were looked at, summed over the scans.
        accused: Accusations of single scans, which prove nothing.
        proved: Goroutines of which a proof was made.
        wrong: Those of them that the runtime's profile does not call leaked in the end.
        undecided: Scans that were given up.
    """

    name: str
    scans: int = 0
    quiet: int = 0
    candidates: int = 0
    accused: int = 0
    undecided: int = 0
    proved: set[int] = field(default_factory=set)
    wrong: set[int] = field(default_factory=set)


def recall(labels: Iterable[Labelled], seconds: float, at_once: int) -> Iterator[Recall]:
    """Lets each program leak for a while, some of them at the same time, then proves."""
    waiting = list(labels)
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(lambda label: _recalled(label, seconds), waiting)


def _recalled(label: Labelled, seconds: float) -> Recall:
    with GoProgram(build(label.name)) as program:
        time.sleep(seconds)
        with opened(program.pid) as target:
            verdict = prove(scanner_of(target))
        leaked = leaked_goids(program)
        scan = verdict.first
        if scan is None:
            return Recall(label.name, 0, 0, 0, 0, 0, verdict.why)
        at = scan.goroutines
        sites = dict(zip(at.goid.tolist(), at.gopc.tolist(), strict=True))
        runtime = leaked & sites.keys()
        proved = set(at.goid[verdict.proved].tolist())
        both = proved & runtime
        return Recall(
            label.name,
            len(runtime),
            len(both),
            len(proved - runtime),
            len({sites[goid] for goid in runtime}),
            len({sites[goid] for goid in both}),
            verdict.why,
        )


def leaked_goids(program: GoProgram) -> set[int]:
    """Whom the runtime itself finds to have leaked, by a garbage collection that it makes for it."""
    url = f"http://127.0.0.1:{program.ready['port']}/debug/pprof/goroutineleak?debug=2"
    with urllib.request.urlopen(url) as response:
        return {int(goid) for goid in LEAKED.findall(response.read().decode())}


def soundness(labels: Iterable[Labelled], seconds: float) -> list[Soundness]:
    """Scans healthy programs, all at the same time, one after the other for so long altogether."""
    with ExitStack() as stack:
        programs = [(label.name, stack.enter_context(GoProgram(build(label.name)))) for label in labels]
        watched = [Watched(name, stack.enter_context(opened(program.pid))) for name, program in programs]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for one in watched:
                one.scan()
        for one, (_, program) in zip(watched, programs, strict=True):
            one.found.wrong = one.found.proved - leaked_goids(program)
        return [one.found for one in watched]


class Watched:
    """A program that is scanned again and again; every scan begins a trial, and is part of those begun before it."""

    def __init__(self, name: str, target: Target) -> None:
        self.found = Soundness(name)
        self._scanner = scanner_of(target)
        self._trials: list[Trial] = []

    def scan(self) -> None:
        """Makes one scan, and proves what it proves together with those before it."""
        began = time.monotonic()
        scan = self._try(lambda: self._scanner.scan(order=self.found.scans))
        if scan is None:
            return
        self.found.scans += 1
        self.found.quiet += scan.quiet
        self.found.candidates += int(scan.suspects.sum())
        self.found.accused += int(scan.accused.sum())
        if len(self._trials) < AT_ONCE:
            self._trials.append(Trial())
        for trial in self._trials:
            trial.add(scan, began)
            if trial.is_over:
                verdict = trial.verdict()
                self.found.proved |= set(scan_goids(verdict.first, verdict.proved.tolist()))
        self._trials = [trial for trial in self._trials if not trial.is_over]

    def _try(self, make: Callable[[], Scan]) -> Scan | None:
        try:
            return make()
        except (NotDecidedError, GosondeError):
            self.found.undecided += 1
            return None


def scan_goids(scan: Scan | None, which: list[bool]) -> Iterator[int]:
    """The goroutines of a scan that are meant by `which`."""
    if scan is not None:
        yield from (goid for goid, chosen in zip(scan.goroutines.goid.tolist(), which, strict=True) if chosen)
