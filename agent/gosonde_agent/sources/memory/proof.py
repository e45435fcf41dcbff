"""Proves in a process where the runtime's variables are: what stands there must be what only that variable can hold."""

import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from gosonde_agent.golang.layouts import Layout, offsets_in_any_release
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.candidates import Candidates
from gosonde_agent.sources.memory.errors import NotLocatedError, UnreadableMemoryError
from gosonde_agent.sources.memory.layout import KNOWN_STATES, SCAN
from gosonde_agent.sources.memory.reader import ADDRESS_LIMIT, ProcessMemory

#: Their stacks alone would take 128 GiB.
MAX_GOROUTINES = 1 << 26
MAX_PROCESSORS = 1 << 16
#: runtime.heapMinimum with GOGC=100, bytes.
DEFAULT_HEAP_MINIMUM = 4 << 20
MAX_HEAP = 1 << 48
PAUSES = 256
#: So many of the first goroutines must be what they say.
GOROUTINES_TRIED = 64
#: Goroutines appear while the proof is made; a proof that fails is made again so often.
ATTEMPTS = 5
#: How often, and after which pauses, several candidates are checked again.
RETRY_ATTEMPTS = 40
RETRY_SECONDS = 0.025


@dataclass(frozen=True, slots=True)
class Addresses:
    """Proved link-time addresses. `allp`, `sched`, `memstats` and `controller` are 0 where they are not proved.

    Attributes:
        by: How they were found: "symbols", "DWARF" or "instructions".
        allglen: The length that is published; allgptr is not needed, for allgs begins with the same pointer.
        t_end: Of runtime.work.tEnd; 0 until a GC cycle has ended, which is its proof.
        controller: Of runtime.gcController; 0 also where the version has no figures in it.
        init_time: Of runtime.runtimeInitTime; 0 when it was not found.
        wait_reasons: (address, count) of runtime.waitReasonStrings; (0, 0) when it was not found.
        unproved: Why a variable is not proved, by its name in the runtime.
    """

    by: str
    allgs: int
    allglen: int
    allp: int
    sched: int
    memstats: int
    controller: int
    t_end: int
    init_time: int
    wait_reasons: tuple[int, int]
    unproved: Mapping[str, str] = field(default_factory=dict)

    def require(self, *names: str) -> None:
        """Says why variables are not there that somebody needs.

        Raises:
            NotLocatedError: One of them is not proved.
        """
        for name in names:
            if name in self.unproved:
                raise NotLocatedError(self.unproved[name])


def only(pid: int, what: str, addresses: Iterable[int], holds: Callable[[int], bool]) -> int:
    """The one address for which a check holds; one that reads what is not mapped does not hold.

    Raises:
        NotLocatedError: None or several hold, however often they are checked; the message names `what`.
        NoSuchProcessError: The process has ended, or runs another program.
    """
    tried = list(dict.fromkeys(addresses))
    for attempt in range(RETRY_ATTEMPTS):
        proved = [address for address in tried if _holds(address, holds)]
        if len(proved) == 1:
            return proved[0]
        if proved:
            time.sleep(RETRY_SECONDS)  # two that are equal by chance part as soon as one of them changes
        elif attempt >= ATTEMPTS:
            break
    raise NotLocatedError(
        f"runtime.{what} was not located in process {pid}: {len(proved)} of {len(tried)} "
        "possible addresses hold what it must hold"
    )


def _holds(address: int, holds: Callable[[int], bool]) -> bool:
    try:
        return holds(address)
    except UnreadableMemoryError:
        return False


class Prover:
    """Tries candidates in one process, whose image is moved by `bias`."""

    def __init__(self, memory: ProcessMemory, bias: int, layout: Layout) -> None:
        self._memory = memory
        self._bias = bias
        self._layout = layout

    def _field(self, structure: str, field: str) -> int:
        return self._layout.offset(structure, field)

    def prove(self, candidates: Candidates) -> Addresses:
        """The one candidate of each variable that holds what it must.

        Without the list of goroutines nothing is read. What else is not proved is left out, and said.

        Raises:
            NotLocatedError: None or several hold it; the message names the variable.
        """
        unproved: dict[str, str] = {}

        def proved(what: str, prove: Callable[[], int]) -> int:
            try:
                return prove()
            except (NotLocatedError, UnsupportedBinaryError) as error:
                unproved[what] = str(error)
                return 0

        allgs = self._only("allgs", candidates.allgs, self._is_allgs)
        allp = proved("allp", lambda: self._only("allp", candidates.allp, self._is_allp))
        memstats = proved("memstats", lambda: self._memstats(candidates))
        return Addresses(
            by=candidates.by,
            allgs=allgs,
            allglen=self._only(
                "allglen", [address for address in candidates.allglen if address != allgs + 8], self._is_allglen(allgs)
            ),
            allp=allp,
            sched=proved("sched", lambda: self._sched(candidates, allgs, allp)),
            memstats=memstats,
            controller=proved("gcController", lambda: self._controller(candidates)),
            t_end=self.t_end(candidates.t_end, memstats) if memstats else 0,
            init_time=next((at for at in candidates.init_time if self._is_init_time(at)), 0),
            wait_reasons=candidates.wait_reasons,
            unproved=unproved,
        )

    def _sched(self, candidates: Candidates, allgs: int, allp: int) -> int:
        return self._only("sched", candidates.sched if allp else (), self._is_sched(allgs, allp))

    def _controller(self, candidates: Candidates) -> int:
        """0 before Go 1.19, which gave gcController what its figures and their proof rest on."""
        if not self._layout.has("gcControllerState", "memoryLimit"):
            return 0
        return self._only("gcController", candidates.controller, self._is_controller)

    def t_end(self, candidates: Sequence[int], memstats: int) -> int:
        """Which is runtime.work.tEnd: it equals memstats.last_gc_nanotime. 0 when no cycle has ended, or not found."""
        own = memstats + self._field("mstats", "last_gc_nanotime")
        for _ in range(ATTEMPTS):
            last = self._word(own)
            if last == 0:
                return 0
            found = [address for address in candidates if address != own and self._is_t_end(address, last)]
            if len(found) == 1 and self._word(own) == last:
                return found[0]
        return 0

    def _only(self, what: str, addresses: Iterable[int], holds: Callable[[int], bool]) -> int:
        return only(self._memory.pid, what, addresses, holds)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _words(self, address: int, count: int) -> list[int]:
        """Words at a link-time address."""
        data = self._memory.read(address + self._bias, count * 8)
        return [int(word) for word in np.frombuffer(data, "<u8")]

    def _words_at(self, pointer: int, count: int) -> list[int]:
        """Words at a runtime address."""
        return self._words(pointer - self._bias, min(count, MAX_PROCESSORS))

    def _word(self, address: int, size: int = 8) -> int:
        return int.from_bytes(self._memory.read(address + self._bias, size), "little")

    def _at(self, address: int, size: int = 8) -> int:
        """A number at a runtime address."""
        return int.from_bytes(self._memory.read(address, size), "little")

    def _slice(self, address: int, most: int) -> tuple[int, int] | None:
        """(pointer, length) of a slice that is not empty; None for what cannot be one."""
        pointer, length, capacity = self._words(address, 3)
        is_one = 0 < length <= capacity <= most and 0 < pointer < ADDRESS_LIMIT and pointer % 8 == 0
        return (pointer, length) if is_one else None

    # --- what each must hold -----------------------------------------------------------------------------------------

    def _is_allgs(self, address: int) -> bool:
        header = self._slice(address, MAX_GOROUTINES)
        if header is None:
            return False
        pointers = self._words_at(header[0], min(header[1], GOROUTINES_TRIED))
        owners = [self._at(pointer + self._field("g", "sched.g")) for pointer in pointers]
        states = [self._at(pointer + self._field("g", "atomicstatus"), 4) & ~SCAN for pointer in pointers]
        ran = [
            self._at(pointer + self._field("g", "goid"))
            for pointer, owner in zip(pointers, owners, strict=True)
            if owner == pointer
        ]
        return (
            all(owner in (0, pointer) for owner, pointer in zip(owners, pointers, strict=True))
            and max(states) < KNOWN_STATES
            and len(set(ran)) == len(ran) > 0
        )

    def _is_allglen(self, allgs: int) -> Callable[[int], bool]:
        return lambda address: self._word(address) == self._word(allgs + 8) and address != allgs + 16

    def _is_allp(self, address: int) -> bool:
        header = self._slice(address, MAX_PROCESSORS)
        if header is None:
            return False
        pointers = np.frombuffer(self._memory.read(header[0], header[1] * 8), "<u8").astype(np.uint64)
        span = max(self._field("p", "id"), self._field("p", "status")) + 4
        rows, whole = self._memory.read_each(pointers, span)
        if not whole.all():
            return False
        ids = rows[:, self._field("p", "id") : self._field("p", "id") + 4].copy().view("<i4")[:, 0]
        states = rows[:, self._field("p", "status") : self._field("p", "status") + 4].copy().view("<u4")[:, 0]
        first = int(pointers[0])
        issued = self._at(first + self._field("p", "goidcacheend")) - self._at(first + self._field("p", "goidcache"))
        return bool((ids == np.arange(len(ids))).all() and (states <= 4).all()) and 0 <= issued <= 16

    def _is_sched(self, allgs: int, allp: int) -> Callable[[int], bool]:
        def holds(address: int) -> bool:
            def sched(name: str, size: int = 8) -> int:
                return self._word(address + self._field("schedt", name), size)

            pointer, count = self._words(allp, 2)
            processors = self._words_at(pointer, count)
            caches = [self._at(processor + self._field("p", "goidcacheend")) for processor in processors]
            idle = sched("pidle")
            return (
                max(caches, default=0) - 1 <= sched("goidgen") < 1 << 62
                and 1 <= sched("ngsys", 4) <= self._word(allgs + 8)
                and sched("npidle", 4) <= count
                and (idle == 0 or idle in processors)
                and 1 <= sched("mnext") < 1 << 24
                and 0 < sched("procresizetime") <= time.monotonic_ns()
            )

        return holds

    def _memstats(self, candidates: Candidates) -> int:
        """By the place that its version gives memstats.enablegc, else by one that it has had with other experiments."""
        usual = {self._field("mstats", "enablegc")}
        try:
            return self._only("memstats", candidates.memstats, self._is_memstats(candidates.enabling, usual))
        except NotLocatedError:
            every = offsets_in_any_release("mstats", "enablegc")
            return self._only("memstats", candidates.memstats, self._is_memstats(candidates.enabling, every))

    def _is_memstats(self, enabling: Sequence[int], offsets: Set[int]) -> Callable[[int], bool]:
        return lambda address: (
            any(flag - address in offsets and self._word(flag, 1) == 1 for flag in enabling)
            and self._are_pauses(address)
        )

    def _are_pauses(self, address: int) -> bool:
        def stat(name: str) -> int:
            return address + self._field("mstats", name)

        cycles, forced = self._word(stat("numgc"), 4), self._word(stat("numforcedgc"), 4)
        total, last = self._word(stat("pause_total_ns")), self._word(stat("last_gc_nanotime"))
        fraction = struct.unpack("<d", self._memory.read(stat("gc_cpu_fraction") + self._bias, 8))[0]
        ends = self._words(stat("pause_end"), PAUSES)
        recent = sum(self._words(stat("pause_ns"), PAUSES))
        return (
            forced <= cycles
            and (recent == total if cycles <= PAUSES else 0 < recent <= total)
            and sum(end != 0 for end in ends) == min(cycles, PAUSES)
            and max(ends) <= time.time_ns()
            and 0 <= fraction <= 1
            and bool(last) == bool(cycles)
        )

    def _is_controller(self, address: int) -> bool:
        def control(name: str, size: int = 8) -> int:
            return self._word(address + self._field("gcControllerState", name), size)

        percent = control("gcPercent", 4)
        percent -= percent >> 31 << 32
        minimum, goal = control("heapMinimum"), control("gcPercentHeapGoal")
        usual = DEFAULT_HEAP_MINIMUM * percent // 100 if percent >= 0 else minimum
        return (
            -1 <= percent <= 1 << 20
            and control("memoryLimit") < 1 << 63
            and minimum == usual > 0
            and all(control(name) < MAX_HEAP for name in ("heapLive", "heapMarked", "heapScan"))
            and (goal < MAX_HEAP or percent < 0)
        )

    def _is_t_end(self, address: int, last: int) -> bool:
        try:
            sweep, mark, termination, end = self._words(address - 24, 4)
        except UnreadableMemoryError:
            return False
        return end == last and 0 < sweep <= mark <= termination <= end

    def _is_init_time(self, address: int) -> bool:
        try:
            return 0 < self._word(address) <= time.monotonic_ns()
        except UnreadableMemoryError:
            return False
