"""What runs in a process that stands: which goroutine each thread runs, its header, and its stack from there on.

`take` is called while the process stands, and copies no more than it must. What it copied is made sense of afterwards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import starmap

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.layout import SCAN, WORD, GoroutineLayout, goroutine_layout
from gosonde_agent.sources.memory.proof import MAX_PROCESSORS
from gosonde_agent.sources.memory.running_rules import Machine, Place, place
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.registers import Registers

#: The most that is copied of one stack, bytes.
COPIED = 64 << 10
#: Of a goroutine that has a thread: it runs, or is in a system call or in C.
RUNS, IN_CALL = 2, 3
#: Where the runtime keeps a thread's g, from fs_base on: of executables, not of libraries.
TLS_SLOT = 8
MACHINE_FIELDS = ("g0", "gsignal", "procid", "curg", "vdsoSP", "vdsoPC")

U64 = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.uint8]
Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Running:
    """Goroutines that had a thread, a row each.

    Attributes:
        rows: uint8[n, span]: their headers.
        changes: uint8[n]: how often each has left a CPU so far, modulo 256 (runtime.g.trackingSeq).
        threads: uint64[n]: by the number that the process itself knows them by.
        data: The stack of each from `places[i].sp` on, cut at COPIED.
    """

    rows: Rows
    changes: npt.NDArray[np.uint8]
    threads: U64
    places: tuple[Place, ...]
    data: tuple[bytes, ...]

    def words(self, rows: npt.NDArray[np.int64], addresses: U64) -> tuple[U64, npt.NDArray[np.bool_]]:
        """(the word at each address of the stack in each row, whether it was copied)."""
        values, known = np.zeros(len(rows), np.uint64), np.zeros(len(rows), np.bool_)
        for index, (row, address) in enumerate(zip(rows.tolist(), addresses.tolist(), strict=True)):
            at = address - self.places[row].sp
            if 0 <= at <= len(self.data[row]) - WORD:
                values[index] = int.from_bytes(self.data[row][at : at + WORD], "little")
                known[index] = True
        return values, known


def take(runtime: Runtime, registers: Registers, check: Callable[[], None]) -> Running:
    """Copies what the threads of a process run that stands; `check` is called between the steps.

    Raises:
        UnsupportedBinaryError: Where a field lies is not known.
        GosondeError: What is there cannot be read or cannot be a runtime's; or whatever `check` raises.
    """
    at = goroutine_layout(runtime.layout)
    fields, pointers = _machines(runtime, registers, at)
    check()
    wanted = [fields[name] for name in ("curg", "g0", "gsignal")]
    rows, *others = np.split(_headers(runtime, np.concatenate(wanted), at), len(wanted))
    runs = (_words(rows, at.m) == pointers) & (_words(rows, at.itself) == fields["curg"])
    status = _status(rows, at)
    kept = np.flatnonzero(runs & ((status == RUNS) | (status == IN_CALL)))  # np.isin would take ten times as long
    rows, fields = rows[kept], {name: values[kept] for name, values in fields.items()}
    check()
    machines = _machine_values(fields, [_spans(found[kept], at) for found in others], registers)
    places = tuple(place(row, machine, at) for row, machine in zip(rows, machines, strict=True))
    stacks = _stacks(runtime, rows, places, at, check)
    return Running(rows, rows[:, at.sequence], fields["procid"], places, stacks)


def _machines(runtime: Runtime, registers: Registers, at: GoroutineLayout) -> tuple[dict[str, U64], U64]:
    """(fields of each runtime.m that has a goroutine and a thread that stands, addresses of those)."""
    memory, layout = runtime.memory, runtime.layout
    pointers = np.unique(np.concatenate([_with_processor(runtime), _of_threads(runtime, registers, at)]))
    fields = {name: layout.offset("m", name) for name in MACHINE_FIELDS}
    rows, whole = memory.read_each(pointers, max(fields.values()) + WORD)
    machines = {name: _words(rows, offset) for name, offset in fields.items()}
    stands = whole & (machines["curg"] != 0) & np.array([one in registers for one in machines["procid"].tolist()], bool)
    return {name: values[stands] for name, values in machines.items()}, pointers[stands]


def _with_processor(runtime: Runtime) -> U64:
    """Addresses of what each P says is its m; none where runtime.allp was not proved."""
    memory, allp = runtime.memory, runtime.addresses.allp
    if not allp:
        return np.zeros(0, np.uint64)
    pointer, count = np.frombuffer(memory.read(allp + runtime.bias, 16), "<u8").tolist()
    if not 0 < count <= MAX_PROCESSORS:
        raise ImplausibleMemoryError(f"process {runtime.pid} claims to have {count} Ps")
    processors = np.frombuffer(memory.read(pointer, count * WORD), "<u8").astype(np.uint64)
    found, whole = memory.read_each(processors + np.uint64(runtime.layout.offset("p", "m")), WORD)
    return _words(found[whole], 0)


def _of_threads(runtime: Runtime, registers: Registers, at: GoroutineLayout) -> U64:
    """Addresses of what the g of each thread says is its m: of its goroutine, of its g0 or of its gsignal."""
    slots = np.array([one.fs_base for one in registers.values()], np.uint64) - np.uint64(TLS_SLOT)
    found, whole = runtime.memory.read_each(slots, WORD)
    machines, whole = runtime.memory.read_each(_words(found[whole], 0) + np.uint64(at.m), WORD)
    return _words(machines[whole], 0)


def _machine_values(fields: dict[str, U64], spans: Sequence[Spans], registers: Registers) -> list[Machine]:
    """What the rules ask of each runtime.m; `spans` are of the stacks of its g0 and its gsignal."""
    vdso = zip(fields["vdsoPC"].tolist(), fields["vdsoSP"].tolist(), strict=True)
    own = (registers[thread] for thread in fields["procid"].tolist())
    return list(starmap(Machine, zip(*spans, vdso, own, strict=True)))


def _spans(rows: Rows, at: GoroutineLayout) -> Spans:
    """Where the stack of each g begins and ends."""
    return list(zip(_words(rows, at.stack_lo).tolist(), _words(rows, at.stack_hi).tolist(), strict=True))


def _headers(runtime: Runtime, pointers: U64, at: GoroutineLayout) -> Rows:
    rows, _whole = runtime.memory.read_each(pointers, at.span)  # zeros where there is none
    return rows


def _stacks(
    runtime: Runtime, rows: Rows, places: tuple[Place, ...], at: GoroutineLayout, check: Callable[[], None]
) -> tuple[bytes, ...]:
    copied = []
    for found, high in zip(places, _words(rows, at.stack_hi).tolist(), strict=True):
        check()
        data = bytearray(min(high - found.sp, COPIED) if found.pc else 0)
        copied.append(bytes(data) if runtime.memory.read_into(found.sp, memoryview(data)) else b"")
    return tuple(copied)


def _words(rows: Rows, offset: int) -> U64:
    return np.ascontiguousarray(rows[:, offset : offset + WORD]).view("<u8").reshape(len(rows)).astype(np.uint64)


def _status(rows: Rows, at: GoroutineLayout) -> npt.NDArray[np.int64]:
    raw = np.ascontiguousarray(rows[:, at.status : at.status + 4]).view("<u4").reshape(len(rows))
    return raw.astype(np.int64) & ~SCAN
