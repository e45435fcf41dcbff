"""Machine instructions of one function, decoded by capstone into the few facts that probe placement needs.

Capstone is imported when there is something to decode: a dump of goroutines has nothing, and begins sooner.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gosonde_agent.model.errors import MalformedBinaryError

MAX_FUNCTION_SIZE = 1 << 16
#: Bytes of an instruction's last operand, which may look like padding.
MAX_ALIKE = 4
#: Different instructions of which it is kept what they do.
MAX_KNOWN = 1 << 14

#: Every name of a part of a register, by the register's full name.
_X86_PARTS = {
    "rax": ("al", "ah", "ax", "eax"),
    "rbx": ("bl", "bh", "bx", "ebx"),
    "rcx": ("cl", "ch", "cx", "ecx"),
    "rdx": ("dl", "dh", "dx", "edx"),
    "rsi": ("sil", "si", "esi"),
    "rdi": ("dil", "di", "edi"),
    "rsp": ("spl", "sp", "esp"),
    "rbp": ("bpl", "bp", "ebp"),
    **{f"r{n}": (f"r{n}b", f"r{n}w", f"r{n}d") for n in range(8, 16)},
}
_ARM64_PARTS = {**{f"x{n}": (f"w{n}",) for n in range(29)}, "x29": ("w29", "fp"), "x30": ("w30", "lr")}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        text: Mnemonic and operands, in Intel syntax on amd64.
        flow: "next", "call", "branch" (conditional), "jump" or "end" (return, trap).
        target: Where a direct call, branch or jump goes; None otherwise, or when it is indirect.
        writes: Full names of the general registers that it changes.
    """

    address: int
    raw: bytes
    text: str
    flow: str
    target: int | None
    writes: frozenset[str]

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + len(self.raw)


@dataclass(frozen=True, slots=True)
class Machine:
    """What is particular to an architecture.

    Attributes:
        engine: What capstone calls it, and its mode.
        arguments: Registers of the first integer arguments in Go's register ABI (cmd/compile/abi-internal.md).
        padding: What the linker puts between functions.
    """

    name: str
    engine: tuple[str, str]
    arguments: tuple[str, ...]
    padding: bytes
    whole: dict[str, str]
    flow: Callable[[Any], str]


def _engine(machine: Machine) -> Any:  # noqa: ANN401  # capstone ships no types
    """A decoder without details."""
    import capstone  # noqa: PLC0415

    return capstone.Cs(*(getattr(capstone, name) for name in machine.engine))


def _x86_flow(found: Any) -> str:  # noqa: ANN401
    import capstone  # noqa: PLC0415
    from capstone import x86  # noqa: PLC0415

    if found.group(capstone.CS_GRP_CALL):
        return "call"
    if found.group(capstone.CS_GRP_JUMP):
        return "jump" if found.id == x86.X86_INS_JMP else "branch"
    if found.group(capstone.CS_GRP_RET) or found.id in (x86.X86_INS_UD2, x86.X86_INS_INT3, x86.X86_INS_HLT):
        return "end"
    return "next"


@functools.cache
def _arm64_flows() -> dict[int, str]:
    from capstone import arm64  # noqa: PLC0415

    return {
        arm64.ARM64_INS_BL: "call",
        arm64.ARM64_INS_BLR: "call",
        arm64.ARM64_INS_BR: "jump",
        arm64.ARM64_INS_RET: "end",
        arm64.ARM64_INS_BRK: "end",
        arm64.ARM64_INS_UDF: "end",
        **dict.fromkeys(
            (arm64.ARM64_INS_CBZ, arm64.ARM64_INS_CBNZ, arm64.ARM64_INS_TBZ, arm64.ARM64_INS_TBNZ),
            "branch",
        ),
    }


def _arm64_flow(found: Any) -> str:  # noqa: ANN401
    from capstone import arm64  # noqa: PLC0415

    if found.id == arm64.ARM64_INS_B:
        return "jump" if found.cc in (arm64.ARM64_CC_INVALID, arm64.ARM64_CC_AL) else "branch"
    return _arm64_flows().get(found.id, "next")


def _whole(parts: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {part: whole for whole, names in parts.items() for part in names}


MACHINES = {
    "amd64": Machine(
        "amd64",
        ("CS_ARCH_X86", "CS_MODE_64"),
        ("rax", "rbx", "rcx", "rdi", "rsi"),
        b"\xcc",
        _whole(_X86_PARTS),
        _x86_flow,
    ),
    "arm64": Machine(
        "arm64",
        ("CS_ARCH_ARM64", "CS_MODE_ARM"),
        ("x0", "x1", "x2", "x3", "x4"),
        b"\0\0\0\0",
        _whole(_ARM64_PARTS),
        _arm64_flow,
    ),
}


def decode(code: bytes, address: int, architecture: str) -> list[Instruction]:
    """All instructions of a function, without the padding behind it.

    Raises:
        MalformedBinaryError: The function is too long, or bytes in it are no instruction.
    """
    machine = MACHINES[architecture]
    if len(code) > MAX_FUNCTION_SIZE:
        raise MalformedBinaryError(f"the function at {address:#x} claims {len(code)} bytes of code")
    bare = code
    while bare.endswith(machine.padding):
        bare = bare.removesuffix(machine.padding)
    # The last bytes of the last instruction may look like padding: `jmp -52` is eb cc.
    for length in range(len(bare), min(len(bare) + MAX_ALIKE, len(code)) + 1, len(machine.padding)):
        instructions = list(_decoded(machine, code[:length], address))
        if instructions and instructions[-1].end == address + length:
            return instructions
    raise MalformedBinaryError(f"bytes of the function at {address:#x} are no instruction")


def _decoded(machine: Machine, code: bytes, address: int) -> Iterator[Instruction]:
    at = 0
    for start, size, mnemonic, operands in _engine(machine).disasm_lite(code, address):
        raw = code[at : at + size]
        at += size
        flow, writes, is_direct = _facts(machine.name, raw)
        yield Instruction(
            address=start,
            raw=raw,
            text=f"{mnemonic} {operands}".strip(),
            flow=flow,
            target=int(operands.rpartition(" ")[2].removeprefix("#"), 16) if is_direct else None,
            writes=writes,
        )


class _Engines(threading.local):
    """Decoders with details, by architecture; those of one thread, because capstone's may be used by one at a time."""

    def __init__(self) -> None:
        self._by_name: dict[str, Any] = {}

    def of(self, machine: Machine) -> Any:  # noqa: ANN401
        if machine.name not in self._by_name:
            self._by_name[machine.name] = _engine(machine)
            self._by_name[machine.name].detail = True
        return self._by_name[machine.name]


_engines = _Engines()


@functools.lru_cache(maxsize=MAX_KNOWN)
def _facts(architecture: str, raw: bytes) -> tuple[str, frozenset[str], bool]:
    """(flow, writes, whether it names a target) of one instruction, wherever it stands.

    To find that out takes most of the time of decoding, and all binaries consist of much the same instructions.
    """
    import capstone  # noqa: PLC0415

    machine = MACHINES[architecture]
    engine = _engines.of(machine)
    found = next(engine.disasm(raw, 0))
    _reads, writes = found.regs_access()
    names = (engine.reg_name(register) for register in writes)
    flow = machine.flow(found)
    last = found.operands[-1] if flow in ("call", "branch", "jump") and found.operands else None
    is_direct = last is not None and last.type == capstone.CS_OP_IMM
    return _shared((flow, frozenset(machine.whole.get(name, name) for name in names), is_direct))


@functools.lru_cache(maxsize=MAX_KNOWN)
def _shared(facts: tuple[str, frozenset[str], bool]) -> tuple[str, frozenset[str], bool]:
    """The same facts, as one object: thousands of instructions have one of some dozens."""
    return facts
