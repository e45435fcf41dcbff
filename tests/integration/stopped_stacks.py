"""The stacks of a program that is stopped, as they are read from its memory."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gosonde_agent.sources.memory.reachability.live_slots import Stacks
from gosonde_agent.sources.memory.target import Target

SCAN = 0x1000

Bools = npt.NDArray[np.bool_]
U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Stopped:
    """Stacks of some goroutines, and who they are."""

    stacks: Stacks
    goid: U64

    def of(self, index: int) -> slice:
        """Where the words of one stack are."""
        return slice(int(self.stacks.firsts[index]), int(self.stacks.firsts[index + 1]))


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stops all threads of a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        while any((task / "stat").read_text().rpartition(")")[2].split()[0] != "T" for task in tasks):
            time.sleep(0.01)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def read(target: Target, states: Sequence[int]) -> Stopped:
    """The stacks of goroutines in some states (runtime.g.atomicstatus)."""
    runtime = target.runtime
    layout, memory = runtime.layout, runtime.memory
    count, pointer = runtime.number(runtime.addresses.allglen), runtime.number(runtime.addresses.allgs)
    pointers = np.frombuffer(memory.read(pointer, count * 8), "<u8").astype(np.uint64)
    rows, _whole = memory.read_each(pointers, layout.size("g"))

    def words(name: str) -> U64:
        at = layout.offset("g", name)
        return np.ascontiguousarray(rows[:, at : at + 8]).view("<u8")[:, 0].astype(np.uint64)

    status = (words("atomicstatus") & np.uint64(0xFFFFFFFF)).astype(np.int64) & ~SCAN
    kept = np.isin(status, states)
    in_call = words("syscallsp") != 0
    sp = np.where(in_call, words("syscallsp"), words("sched.sp"))[kept]
    pc = np.where(in_call, words("syscallpc"), words("sched.pc"))[kept]
    sizes = (words("stack.hi")[kept] - sp).astype(np.int64)
    data, whole = memory.read_pieces(sp, sizes)
    assert whole.all()
    firsts = np.concatenate(([0], np.cumsum(sizes // 8)))
    also = (words(name)[kept] for name in ("_defer", "_panic", "sched.ctxt"))
    return Stopped(Stacks(data.view("<u8").astype(np.uint64), firsts, sp, pc, *also), words("goid")[kept])
