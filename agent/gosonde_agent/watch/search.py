"""One search of a process's memory: scans with time between them, until they agree on who can never run again."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import GosondeError
from gosonde_common.values.observation import MAX_HOLDERS, ProcessKey, ProofCount

from gosonde_agent.host.own_budget import collect_newest
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.limits import Limits, NotDecidedError
from gosonde_agent.sources.memory.reachability.proving import RETRIES, SCANS, SECONDS, Trial, Verdict
from gosonde_agent.sources.memory.reachability.rows import I64
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.reachability.scanner import Scanner, everyone
from gosonde_agent.sources.memory.reachability.verdict_sites import Holders, by_site, retained_heap
from gosonde_agent.sources.memory.target import KnownBinaries, opened

log = structlog.get_logger(__name__)

#: Between two scans of one process, in seconds, so that the last begins late enough.
PAUSE = SECONDS / (SCANS - 1)
#: Goroutines of one site of which it is found out who holds them, and different ways of one search that are named.
MAX_FOLLOWED, MAX_NAMED = 1_000, 64


@dataclass(slots=True)
class Search:
    """A search of one process. `scan` may be called from any thread, by one at a time; it raises nothing.

    Attributes:
        rising: The sites (link-time pc) that raised the suspicion: of these it is said who holds what is not proved.
        due: When the next scan is due, CLOCK_MONOTONIC seconds.
        is_over: Nothing more is to be scanned; all is closed.
        cpu_seconds: Of all scans up to now.
        scans: How many there were.
        undecided: Why nothing is decided.
        found: What was found of each site that has goroutines which wait, by link-time pc.
        has_ended: Whether the scan that was begun last has ended.
        ended_unix_nano: When the last scan ended.
    """

    key: ProcessKey
    known: KnownBinaries
    limits: Limits
    rising: frozenset[int]
    due: float = 0.0
    is_over: bool = False
    cpu_seconds: float = 0.0
    scans: int = 0
    undecided: str = ""
    found: dict[int, ProofCount] = field(default_factory=dict)
    has_ended: bool = True
    ended_unix_nano: int = 0
    _began: float = 0.0
    _failed: int = 0
    _trial: Trial = field(default_factory=Trial)
    _files: ExitStack = field(default_factory=ExitStack)
    _scanner: Scanner | None = None

    def scan(self) -> None:
        """Scans once more, and concludes when that was enough."""
        cpu_began = time.thread_time()
        try:
            self._scan()
        except Exception as error:  # a fault of ours in reading what others control must not end the agent
            if not isinstance(error, GosondeError):
                log.exception("memory could not be searched", pid=self.key.pid)
            self._give_up(str(error) or type(error).__name__)
        finally:
            if self.is_over:
                collect_newest()  # the entries of a file's DWARF refer to each other, and hold all of it
            self.cpu_seconds += time.thread_time() - cpu_began
            self.ended_unix_nano = steady_unix_nano()
            self.has_ended = True

    def close(self) -> None:
        """Gives up what the search holds of the process."""
        self._files.close()
        self._scanner, self._trial = None, Trial()

    def _scan(self) -> None:
        if self._scanner is None:
            target = self._files.enter_context(opened(self.key.pid, self.known))
            self._scanner = Scanner(target, target.heap_addresses(), self.limits)
        trial, started = self._trial, time.monotonic()
        if not trial.order:
            self._began = started
        try:
            trial.add(self._scanner.scan(trial.suspected if trial.order else everyone, trial.order), started)
        except NotDecidedError as error:
            self._conclude(str(error))
            return
        except (ImplausibleMemoryError, UnreadableMemoryError) as error:
            self._failed += 1
            if self._failed > RETRIES:
                self._conclude(str(error))
                return
        self.scans = trial.order
        if trial.is_over:
            self._conclude("")
        else:
            self.due = max(self._began + trial.order * PAUSE, time.monotonic())

    def _conclude(self, why: str) -> None:
        verdict = self._trial.verdict(why)
        self.undecided = verdict.why
        if self._scanner is not None and verdict.first is not None:
            self.found = _found(self, self._scanner, verdict, verdict.first)
        self.is_over = True
        self.close()

    def _give_up(self, why: str) -> None:
        self.undecided, self.is_over = why, True
        self.close()


def _found(search: Search, scanner: Scanner, verdict: Verdict, scan: Scan) -> dict[int, ProofCount]:
    """What a verdict says of each site that has waiting goroutines; who holds them, where it raised the suspicion."""
    pcs, site_of, rows_of = by_site((scan.goroutines.gopc,))
    heap = retained_heap(scanner, verdict, scan, site_of) or {}
    holders = Holders(scanner.target, verdict, scan)
    found = {}
    for number, rows in enumerate(rows_of):
        pc = int(pcs[number, 0]) - scanner.target.runtime.bias
        if scan.blocked[rows].any() and pc > 0:
            named = holders.of(rows, MAX_FOLLOWED, MAX_NAMED - holders.named) if pc in search.rising else ()
            counted = _counted(search.key, pc, verdict, scan, rows)
            found[pc] = replace(counted, held_by=named[:MAX_HOLDERS], retained_heap_bytes=heap.get(number, 0))
    return found


def _counted(key: ProcessKey, pc: int, verdict: Verdict, scan: Scan, rows: I64) -> ProofCount:
    proved, probable = verdict.proved[rows], verdict.probable[rows]
    leaked = rows[proved | probable]
    since = scan.goroutines.since[leaked]
    noted = since[since > 0]
    return ProofCount(
        key,
        pc,
        steady_unix_nano(),
        verdict.scans,
        int(scan.blocked[rows].sum()),
        int(proved.sum()),
        int(probable.sum()),
        max(time.monotonic_ns() - int(noted.min()), 0) if len(noted) else 0,
        int(scan.stack_bytes()[leaked].sum()),
    )
