"""Where on arm64 a probe may go: what its kernel simulates, what it steps, and where a trap would do harm."""

import pytest
from gosonde_agent.golang.costs import Cost
from gosonde_agent.golang.instructions import MACHINES, decode
from gosonde_agent.golang.probe_points import ProbePoint, entry_point
from gosonde_agent.model.errors import UnprovedProbePointError

ENTRY = 0x1000
MOVE = "e50306aa"  # mov x5, x6
ADRP = "05000090"  # adrp x5, #0x1000
TRAP = "000020d4"  # brk #0
RETURN = "c0035fd6"
IF_ZERO = "620000b4"  # cbz x2, #12
LOAD_OF_LITERAL = ["4500005c", "45000058", "45000098", "450000d8", "4500001c"]  # ldr d5, ldr x5, ldrsw x5, prfm, ldr s5
EXCLUSIVE_LOAD = ["457c5fc8", "45fc5fc8", "45187fc8"]  # ldxr x5, [x2]; ldaxr x5, [x2]; ldxp x5, x6, [x2]
EXCLUSIVE_STORE = "457c07c8"  # stxr w7, x5, [x2]
ORDERED_LOAD = "45fcdfc8"  # ldar x5, [x2]
SYSTEM = ["450038d5", "010000d4", "bf3b03d5", "3f2303d5"]  # mrs x5, midr_el1; svc #0; dmb ish; paciasp


def point_of(*code: str) -> ProbePoint:
    raw = bytes.fromhex("".join(code))
    instructions = decode(raw, ENTRY, "arm64")
    return entry_point(
        "created", "runtime.f", instructions, frozenset({"x2"}), lambda _address: None, machine=MACHINES["arm64"]
    )


@pytest.mark.parametrize("simulated", [ADRP, IF_ZERO, RETURN])
def test_what_the_kernel_simulates_is_better_than_what_it_steps(simulated: str) -> None:
    point = point_of(MOVE, simulated, MOVE, MOVE, TRAP)
    assert (point.offset, point.cost) == (4, Cost.EMULATED)
    assert point_of(MOVE, TRAP).cost == Cost.SINGLE_STEPPED


@pytest.mark.parametrize("literal", LOAD_OF_LITERAL)
def test_no_probe_is_on_a_load_of_a_literal_which_kernels_refuse_or_read_wrongly(literal: str) -> None:
    assert point_of(literal, MOVE, TRAP).offset == 4
    with pytest.raises(UnprovedProbePointError, match="no instruction has the registers unchanged"):
        point_of(literal, TRAP)


@pytest.mark.parametrize("load", EXCLUSIVE_LOAD)
def test_no_probe_is_on_an_exclusive_load_or_behind_one_where_a_trap_would_make_its_store_fail(load: str) -> None:
    assert point_of(MOVE, load, EXCLUSIVE_STORE, IF_ZERO, MOVE, MOVE, TRAP).offset == 0
    with pytest.raises(UnprovedProbePointError, match="no instruction has the registers unchanged"):
        point_of(load, EXCLUSIVE_STORE, IF_ZERO, MOVE, MOVE, TRAP)


def test_a_load_that_is_ordered_only_is_no_exclusive_one() -> None:
    assert point_of(MOVE, ORDERED_LOAD, ADRP, TRAP).offset == 8


@pytest.mark.parametrize("system", SYSTEM)
def test_no_probe_is_on_what_concerns_the_system(system: str) -> None:
    assert point_of(system, MOVE, TRAP).offset == 4
