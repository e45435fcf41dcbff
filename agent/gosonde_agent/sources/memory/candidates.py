"""Where the runtime's variables may be in a binary: worked out once a file, proved in each process (see `proof`).

A symbol or DWARF gives one candidate. In a stripped binary the instructions of functions that pclntab names give a
few: `allgadd` appends to allgs, so it touches a slice header; a structure's base is what explains most of the
addresses that its users touch.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory import symbols
from gosonde_agent.sources.memory.references import immediates, references

VARIABLES = (
    "allgs",
    "allglen",
    "allp",
    "sched",
    "memstats",
    "gcController",
    "work",
    "runtimeInitTime",
    "waitReasonStrings",
)

_SCHED_USERS = (
    "newproc1 schedule findRunnable stopm mput pidleput pidleget gfput gfget wakep checkdead goschedImpl sysmon startm "
    "procresize handoffp injectglist stopTheWorldWithSema startTheWorldWithSema schedinit mcommoninit retake "
    "incidlelocked schedEnableUser resetspinning mget globrunqput globrunqget gcount exitsyscallfast"
)
_MEMSTATS_USERS = "gcMarkTermination readGCStats_m gcStart gcenable readmemstats_m gcTrigger.test GC"
_CONTROLLER_USERS = (
    "newproc1 gcMarkTermination gcControllerCommit gcStart gcMarkDone gcMark gcinit gcSweep readmemstats_m "
    "gcTrigger.test gcResetMarkState gcBgMarkWorker findRunnable gcAssistAlloc gcAssistAlloc1 readGOGC setGCPercent "
    "malg stackfree (*mcache).refill (*mcache).allocLarge gcPaceSweeper"
)
_ALLP_USERS = "procresize stopTheWorldWithSema schedinit retake checkdead forEachPInternal gcStart"

#: Fields that those functions touch by name: what distinguishes a structure's base from an address beside it.
_FIELDS = {
    "schedt": (
        "goidgen lastpoll lock midle nmidle nmidlelocked mnext nmsys ngsys pidle npidle nmspinning runq.head runqsize "
        "runq.size gFree.stack gFree.noStack gFree.n gFree.stack.size gFree.noStack.size gcwaiting stopwait "
        "procresizetime totaltime"
    ),
    "mstats": (
        "last_gc_unix pause_total_ns pause_ns pause_end numgc numforcedgc gc_cpu_fraction last_gc_nanotime "
        "lastHeapInUse enablegc"
    ),
    "gcControllerState": (
        "gcPercent memoryLimit heapMinimum runway consMark gcPercentHeapGoal sweepDistMinTrigger triggered "
        "lastHeapGoal heapLive heapScan lastStackScan maxStackScan globalsScan heapMarked bgScanCredit assistTime "
        "dedicatedMarkTime fractionalMarkTime idleMarkTime markStartTime heapInUse heapReleased heapFree totalAlloc "
        "totalFree mappedReady"
    ),
}

#: What newproc1 touches in every version: it takes goroutine ids, and counts the new stack.
ANCHORS = {"schedt": "goidgen", "gcControllerState": "maxStackScan"}

#: How many bases of a structure are handed on to the proof.
MAX_BASES = 32
MAX_WAIT_REASONS = 256
#: runtime.work is searched for tEnd between these offsets: patch releases have moved it.
WORK_SEARCH = range(256, 1_024, 8)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Link-time addresses to try, the likeliest first.

    Attributes:
        by: "symbols", "DWARF" or "instructions".
        t_end: Of runtime.work.tEnd.
        enabling: What runtime.gcenable writes: memstats.enablegc, whose offset depends on experiments, is among them.
        wait_reasons: (address, count) of runtime.waitReasonStrings; (0, 0) when it was not found.
    """

    by: str
    allgs: Sequence[int]
    allglen: Sequence[int]
    allp: Sequence[int]
    sched: Sequence[int]
    memstats: Sequence[int]
    controller: Sequence[int]
    t_end: Sequence[int]
    init_time: Sequence[int]
    enabling: Sequence[int]
    wait_reasons: tuple[int, int]


def find(image: ElfImage, fd: int, pclntab: Pclntab, layout: Layout) -> Candidates:
    """The candidates in a binary; `layout` is its Go version's."""
    wanted = {f"runtime.{name}" for name in VARIABLES}
    known, by = symbols.from_symbol_table(image, wanted), "symbols"
    if "runtime.allgs" not in known:
        known, by = symbols.from_dwarf(fd, wanted), "DWARF"
    if "runtime.allgs" not in known:
        return from_instructions(image, pclntab, layout)
    at = {name: [known[f"runtime.{name}"]] if f"runtime.{name}" in known else [] for name in VARIABLES}
    count = _wait_reason_count(image, pclntab)
    return Candidates(
        by,
        at["allgs"],
        at["allglen"],
        at["allp"],
        at["sched"],
        at["memstats"],
        at["gcController"],
        [base + offset for base in at["work"] for offset in WORK_SEARCH],
        at["runtimeInitTime"],
        _enabling(image, pclntab),
        (at["waitReasonStrings"][0], count) if at["waitReasonStrings"] else (0, 0),
    )


def from_instructions(image: ElfImage, pclntab: Pclntab, layout: Layout) -> Candidates:
    """The candidates that the code of the runtime's functions gives, whatever symbols there are."""

    def touched(names: str) -> list[int]:
        functions = [f"runtime.{name}" for name in names.split()]
        return list(dict.fromkeys(reference.address for reference in references(image, pclntab, functions)))

    def bases(names: str, structure: str) -> list[int]:
        fields = layout.fields(structure)
        offsets = {fields[name] for name in _FIELDS[structure].split() if name in fields}
        votes = Counter(address - offset for address in touched(names) for offset in offsets)
        anchor = fields.get(ANCHORS.get(structure, ""), 0)
        anchored = {address - anchor for address in touched("newproc1")} if structure in ANCHORS else set()
        return [base for base, _count in votes.most_common() if base in anchored or not anchored][:MAX_BASES]

    appended = touched("allgadd")
    mark_termination = touched("gcMarkTermination")
    return Candidates(
        "instructions",
        [address for address in appended if {address + 8, address + 16} <= set(appended)],
        [address for address in appended if _begins_as_zero(image, address)],
        [address for address in touched(_ALLP_USERS) if address % 8 == 0],
        bases(_SCHED_USERS, "schedt"),
        bases(_MEMSTATS_USERS, "mstats"),
        bases(_CONTROLLER_USERS, "gcControllerState"),
        mark_termination,
        [address for address in touched("main") if address in mark_termination and address % 8 == 0],
        _enabling(image, pclntab),
        _wait_reason_table(image, pclntab),
    )


def _begins_as_zero(image: ElfImage, address: int) -> bool:
    """Whether the word at an address is 0 before the program runs, as that of a constant or of a type's size is not."""
    try:
        return not any(image.read(address, 8))
    except MalformedBinaryError:  # the file has nothing of what begins as zero
        return True


def _enabling(image: ElfImage, pclntab: Pclntab) -> list[int]:
    return [found.address for found in references(image, pclntab, ["runtime.gcenable"]) if not found.is_address]


def _wait_reason_table(image: ElfImage, pclntab: Pclntab) -> tuple[int, int]:
    """The array that runtime.waitReason.String indexes: it takes its address last."""
    taken = [found.address for found in references(image, pclntab, ["runtime.waitReason.String"]) if found.is_address]
    aligned = [address for address in taken if address % 8 == 0]
    return (aligned[-1], _wait_reason_count(image, pclntab)) if aligned else (0, 0)


def _wait_reason_count(image: ElfImage, pclntab: Pclntab) -> int:
    counts = [number for number in immediates(image, pclntab, "runtime.waitReason.String") if number > 0]
    return min(max(counts, default=0), MAX_WAIT_REASONS)
