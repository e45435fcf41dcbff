"""A process that is read: opened, its image matched to its file, the runtime's variables proved in it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from gosonde_common.values.gc import GcFigures, LastCycle
from gosonde_common.values.goroutines import REGISTERS, Goroutine, GoroutineColumns

from gosonde_agent.golang import buildinfo
from gosonde_agent.golang.binary import FileIdentity, layout_named_by
from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.build_version import read_go_version
from gosonde_agent.golang.elf import ElfImage, Segment
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.pclntab_header import Header, Module
from gosonde_agent.golang.unwind import Unwinder
from gosonde_agent.golang.wait_reasons import wait_reason
from gosonde_agent.host import procfs
from gosonde_agent.model.errors import NotGoError
from gosonde_agent.sources.memory.bias import load_bias
from gosonde_agent.sources.memory.candidates import MAX_WAIT_REASONS, Candidates, find
from gosonde_agent.sources.memory.dump import Describer
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, NotLocatedError
from gosonde_agent.sources.memory.gc import follow_gc, read_gc
from gosonde_agent.sources.memory.goroutines import Block, GoroutineReader
from gosonde_agent.sources.memory.heap_candidates import HeapCandidates
from gosonde_agent.sources.memory.heap_candidates import find as find_heap
from gosonde_agent.sources.memory.heap_proof import HeapAddresses, prove_heap
from gosonde_agent.sources.memory.labels import LabelReader
from gosonde_agent.sources.memory.live import LiveCounter
from gosonde_agent.sources.memory.proof import Addresses, Prover
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.running import Running, take
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.sample import StackSample
from gosonde_agent.sources.memory.totals import GoroutineTotals, read_totals
from gosonde_agent.sources.memory.wait_names import read_wait_reasons
from gosonde_agent.sources.registers import Registers

if TYPE_CHECKING:
    from gosonde_agent.sources.memory.figures import FiguresReader
    from gosonde_agent.sources.memory.heap import HeapReader

MAX_KEPT_BINARIES = 256


@dataclass(slots=True)
class KnownBinary:
    """What was found out about a binary by reading a process of it; the next process needs only the proof.

    Attributes:
        heap: Where its heap may be; None until somebody asked.
    """

    go_version: str
    layout: Layout
    segments: tuple[Segment, ...]
    place: tuple[Header, Module]
    candidates: Candidates
    heap: HeapCandidates | None = None

    def narrow(self, proved: Addresses) -> None:
        """Keeps only what was proved; what was not, another process may prove."""

        def kept(address: int, candidates: Sequence[int]) -> Sequence[int]:
            return (address,) if address else candidates

        before = self.candidates
        self.candidates = replace(
            before,
            allgs=(proved.allgs,),
            allglen=(proved.allglen,),
            allp=kept(proved.allp, before.allp),
            sched=kept(proved.sched, before.sched),
            memstats=kept(proved.memstats, before.memstats),
            controller=kept(proved.controller, before.controller),
            t_end=kept(proved.t_end, before.t_end),
        )


class KnownBinaries:
    """What is known by file, so that a binary is searched once and not even opened as ELF again to count goroutines."""

    def __init__(self) -> None:
        self._known: BoundedCache[FileIdentity, KnownBinary | None] = BoundedCache(MAX_KEPT_BINARIES)

    def of(self, fd: int) -> KnownBinary:
        """What is known of an open file.

        Raises:
            NotGoError: It is not Go's.
            GosondeError: It is not supported, or cannot be read.
        """
        binary = self._known.get(FileIdentity.of(fd), lambda _identity: _looked_at(fd))
        if binary is None:
            raise NotGoError("not a Go binary: it has no Go build info, and no pclntab")
        return binary

    @contextlib.contextmanager
    def opened(self, pid: int) -> Iterator[tuple[int, KnownBinary]]:
        """(descriptor, what is known) of the file that has the Go of a process: its executable, or a library.

        Raises:
            NotGoError: It has none.
            GosondeError: It is not supported, or cannot be read.
        """
        with contextlib.ExitStack() as files:
            fd, _path = files.enter_context(procfs.executable(pid))
            try:
                binary = self.of(fd)
            except NotGoError:
                fd, _path = files.enter_context(procfs.library(pid))
                binary = self.of(fd)
            yield fd, binary


def _looked_at(fd: int) -> KnownBinary | None:
    try:
        image = ElfImage(fd)
        go_version = read_go_version(image)
    except NotGoError:
        return None
    layout = layout_named_by(image, go_version)
    pclntab = Pclntab(image, layout)
    candidates = find(image, fd, pclntab, layout)
    return KnownBinary(go_version, layout, image.segments, (pclntab.header, pclntab.module), candidates)


class Target:
    """A running Go process whose runtime can be read; made by `opened`, and used within it."""

    def __init__(self, runtime: Runtime, binary: KnownBinary, fd: int) -> None:
        self.runtime = runtime
        self.go_version = binary.go_version
        self._binary = binary
        self._fd = fd

    @cached_property
    def image(self) -> ElfImage:
        """The file that has its Go."""
        return ElfImage(self._fd)

    @cached_property
    def identity(self) -> FileIdentity:
        """Of that file."""
        return FileIdentity.of(self._fd)

    @cached_property
    def pclntab(self) -> Pclntab:
        """Of its executable."""
        return Pclntab(self.image, self._binary.layout, self._binary.place)

    def blocks(self, *, stacks: bool, max_stacks: int = 0) -> Iterator[Block]:
        """Every live goroutine, in blocks, labels with the stacks; see `GoroutineReader.blocks`.

        Above `max_stacks` goroutines only about so many stacks are read: see `StackSample.of`; 0 for all. Ends with a
        proof that it was one process.

        Raises:
            TargetChangedError: It ended or ran another program meanwhile.
            GosondeError: As `GoroutineReader.blocks`.
        """
        unwinder, labels = (Unwinder(self.pclntab), self._labels()) if stacks else (None, None)
        sample = StackSample.of(self.runtime.pid, self.live(), max_stacks) if stacks and max_stacks else None
        yield from GoroutineReader(self.runtime, unwinder, labels, sample).blocks()
        self.runtime.memory.check_same(self.runtime.addresses.allglen + self.runtime.bias)

    def _labels(self) -> LabelReader | None:
        """None where it is not known where they are."""
        layout, minor = self.runtime.layout, buildinfo.parse_version(self.go_version).minor
        return (
            LabelReader(self.runtime.memory, layout.offset("g", "labels"), minor) if layout.has("g", "labels") else None
        )

    def creation_addresses(self) -> dict[int, int]:
        """By the address of each g, live or dead, the address behind the `go` statement that it was made by last.

        Both as they are in the process.

        Raises:
            GosondeError: As `blocks`.
        """
        found: dict[int, int] = {}
        for addresses, gopcs in GoroutineReader(self.runtime, None).creations():
            found.update(zip(addresses.tolist(), gopcs.tolist(), strict=True))
        self.runtime.memory.check_same(self.runtime.addresses.allglen + self.runtime.bias)
        return found

    def most_at_once(self) -> int:
        """How many goroutines may ever have lived at once: the runtime keeps the room of those that have ended.

        Raises:
            GosondeError: As `GoroutineReader.count`.
        """
        return GoroutineReader(self.runtime, None).count()

    def live(self) -> int:
        """How many goroutines live; where that cannot be read, how many may ever have lived at once.

        Raises:
            GosondeError: As `GoroutineReader.count`.
        """
        with contextlib.suppress(NotLocatedError, ImplausibleMemoryError), closing(self.live_counter()) as counter:
            return counter.count()
        return self.most_at_once()

    def goroutines(self, *, stacks: bool = True, max_stacks: int = 0) -> Iterator[Goroutine]:
        """Every live goroutine, with its stack or without, as it is read; see `blocks`."""
        describer = Describer(self.pclntab, self.wait_reasons())
        for block in self.blocks(stacks=stacks, max_stacks=max_stacks):
            yield from describer.goroutines(block)

    def goroutine_columns(self, max_stacks: int = 0) -> Iterator[GoroutineColumns]:
        """Every live goroutine, block by block: for dumps, which say the same of many; see `blocks`."""
        describer = Describer(self.pclntab, self.wait_reasons())
        return map(describer.columns, self.blocks(stacks=True, max_stacks=max_stacks))

    def take(self, registers: Registers, check: Callable[[], None]) -> Running:
        """Copies what its threads run, while it stands; see `running.take`."""
        return take(self.runtime, registers, check)

    def ran(self, taken: Running) -> Iterator[Goroutine]:
        """What was copied, as people know it. Each has its stack from its thread's registers, or is `active`."""
        block = GoroutineReader(self.runtime, None, self._labels()).ran(taken, Unwinder(self.pclntab), self.pclntab)
        for goroutine in Describer(self.pclntab, self.wait_reasons()).goroutines(block):
            yield replace(goroutine, stack_from=REGISTERS if goroutine.stack else "")

    def wait_reasons(self) -> tuple[str, ...]:
        """The process's own names; those that this version is known to have where it has none to read."""
        minor = buildinfo.parse_version(self.go_version).minor
        try:
            names = read_wait_reasons(self.runtime)
        except ImplausibleMemoryError:
            names = ()
        return names or tuple(wait_reason(minor, code) for code in range(MAX_WAIT_REASONS))

    def gc(self) -> GcFigures:
        """The runtime's account of its collections; see `read_gc`."""
        return read_gc(self.runtime)

    def gc_cycles(self) -> Iterator[LastCycle]:
        """Each collection that ends from now on; see `follow_gc`."""
        return follow_gc(self.runtime)

    def heap_reader(self) -> "HeapReader | None":
        """What reads the heap's figures from now on; None where it is not known where they are."""
        from gosonde_agent.sources.memory.heap import HeapReader  # noqa: PLC0415 - a dump begins sooner without

        return HeapReader(self.runtime, self._binary.candidates.t_end) if HeapReader.reads(self.runtime) else None

    def figures_reader(self) -> "FiguresReader":
        """What reads from now on what the runtime says of itself; see FiguresReader."""
        from gosonde_agent.sources.memory.figures import FiguresReader  # noqa: PLC0415 - a dump begins sooner without

        return FiguresReader(self.runtime, buildinfo.parse_version(self.go_version).minor)

    def heap_addresses(self) -> HeapAddresses:
        """Where the heap and its queues are; see `prove_heap`. The first time for a stripped binary takes a while."""
        candidates = self._binary.heap or find_heap(ElfImage(self._fd), self._fd, self.pclntab, self._binary.layout)
        self._binary.heap = candidates
        proved = prove_heap(self.runtime, candidates)
        self._binary.heap = replace(candidates, mheap=(proved.mheap,))
        return proved

    def live_counter(self) -> LiveCounter:
        """What counts its goroutines from now on; see LiveCounter."""
        return LiveCounter(self.runtime)

    def totals(self) -> GoroutineTotals:
        """The runtime's own goroutine counters; see `read_totals`."""
        return read_totals(self.runtime)


@contextlib.contextmanager
def opened(pid: int, known: KnownBinaries | None = None) -> Iterator[Target]:
    """A process to read.

    Raises:
        NoSuchProcessError: It is not there.
        NotGoError: It runs no Go program.
        UnsupportedBinaryError: It runs one that is not supported.
        NotLocatedError: The runtime's variables were not found, or not proved.
        NotPermittedError: Privileges are missing.
        GosondeError: Its memory or its file is inconsistent.
    """
    with ProcessMemory(pid) as memory, (known or KnownBinaries()).opened(pid) as (fd, binary):
        bias = load_bias(pid, fd, binary.segments)
        addresses = Prover(memory, bias, binary.layout).prove(binary.candidates)
        memory.check_same(addresses.allgs + bias)
        binary.narrow(addresses)
        yield Target(Runtime(memory, bias, addresses, binary.layout), binary, fd)
