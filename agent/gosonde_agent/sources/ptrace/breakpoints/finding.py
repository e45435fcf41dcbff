"""Finds where breakpoints may go in a process: at proved points, where a simple instruction is."""

from collections.abc import Mapping

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.instructions import MACHINES
from gosonde_agent.model.errors import UnprovedProbePointError, UnsupportedBinaryError
from gosonde_agent.sources.ptrace import calls
from gosonde_agent.sources.ptrace.breakpoints.points import ALWAYS, CALL, JUMP, PUSH_RBP, Breakpoint

ARCHITECTURE = "amd64"
#: What is counted, in the order of writing: who is counted as created is counted as exited, too.
PROBES = ("exited", "created")
#: Of the longest instruction that is done.
MOST_BYTES = 6


def breakpoints(binary: GoBinary, image: ElfImage, bias: int) -> tuple[Breakpoint, ...]:
    """Those that count the goroutines of a process, which has its image moved by `bias`, in the order of writing.

    Raises:
        UnsupportedBinaryError: It is not for amd64.
        UnprovedProbePointError: One of them would hide an instruction that nobody could do in its place.
    """
    if binary.architecture != ARCHITECTURE:
        raise UnsupportedBinaryError(f"breakpoints are for {ARCHITECTURE} only, and this is {binary.architecture}")
    arguments = MACHINES[ARCHITECTURE].arguments
    registers = {"created": arguments[binary.layout.callerpc], "exited": arguments[0]}
    return tuple(_breakpoint(binary, image, bias, probe, registers) for probe in PROBES)


def _breakpoint(binary: GoBinary, image: ElfImage, bias: int, probe: str, registers: Mapping[str, str]) -> Breakpoint:
    point = binary.points[probe]
    code = image.read(point.vaddr, MOST_BYTES)
    done = doing(code)
    if done is None:
        raise UnprovedProbePointError(
            f"{point.function}: gosonde cannot emulate the instruction for the probe {probe!r}, {point.instruction}; "
            "it can emulate a push of rbp, a call and a jump"
        )
    kind, condition, size, far = done
    after = point.vaddr + bias + size
    target = after + int.from_bytes(code[size - far : size], "little", signed=True)
    register = calls.NAMES.index(registers[probe])
    return Breakpoint(probe, point.vaddr + bias, code[0], kind, after, target, condition, register)


def doing(code: bytes) -> tuple[str, int, int, int] | None:
    """(kind, condition, size in bytes, of them those that say how far) of an instruction; None if nobody does it."""
    known = {0x55: (PUSH_RBP, 1, 0), 0x90: (JUMP, 1, 0), 0xE8: (CALL, 5, 4), 0xE9: (JUMP, 5, 4), 0xEB: (JUMP, 2, 1)}
    if code[0] in known:
        kind, size, far = known[code[0]]
        return kind, ALWAYS, size, far
    if 0x70 <= code[0] <= 0x7F:
        return JUMP, code[0] & 0xF, 2, 1
    if code[0] == 0x0F and 0x80 <= code[1] <= 0x8F:
        return JUMP, code[1] & 0xF, 6, 4
    return None
