"""What an interrupted goroutine has in vector registers, which since Go 1.26 lies outside of its stack, is alive."""

import numpy as np
from gosonde_agent.golang.buildinfo import GoVersion
from gosonde_agent.sources.memory.goroutines import RUNNABLE, WAITING
from gosonde_agent.sources.memory.reachability.headers import HeaderReader
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter
from gosonde_agent.sources.memory.reachability.regions import RegionReader
from gosonde_agent.sources.memory.reachability.registers import SIZES, RegisterReader

from tests.unit.agent.sources.memory.reachability.fake_process import FakeProcess

OBJECT = 64
LAST_WORD = SIZES["amd64"] - 8


def held_by_registers(process: FakeProcess, status: int) -> list[int]:
    """What a goroutine's registers point to, when the last word of its block is a pointer to the third object."""
    start = process.span(OBJECT)
    heap = process.heap()
    block = process.room(SIZES["amd64"])
    process.write(block + LAST_WORD, start + 2 * OBJECT)
    fields = {"xRegs.state": block} if process.layout.has("g", "xRegs.state") else {}
    g = process.fill("g", {"atomicstatus": status, "goid": 7, **fields}, {"atomicstatus": 4})
    header = process.pointers(process.pointers(g), 1, 1)
    process.addresses |= {"allgs": header, "allglen": header + 8}
    meter = Meter(Limits())
    goroutines = HeaderReader(process.runtime).read(meter)
    reader = RegisterReader(process.runtime, "amd64", RegionReader(process.memory))
    found = reader.pointers(heap, goroutines, np.array([0]), meter)
    return [int(target) for part in found for target in part.target]


def test_registers_of_an_interrupted_goroutine_hold_what_they_point_to() -> None:
    with FakeProcess() as process:
        assert held_by_registers(process, RUNNABLE) == [2]


def test_a_goroutine_that_waits_was_not_interrupted() -> None:
    with FakeProcess() as process:
        assert held_by_registers(process, WAITING) == []


def test_a_version_that_keeps_registers_on_the_stack_has_no_such_block() -> None:
    with FakeProcess(GoVersion(25, 5)) as process:
        assert held_by_registers(process, RUNNABLE) == []
