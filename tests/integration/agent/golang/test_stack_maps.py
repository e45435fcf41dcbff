"""Stack maps are decoded as the runtime itself decodes them, at every call of every function of a program."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import capstone
import numpy as np
import pytest
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.stack_maps import Bools, StackMap, StackMaps
from gosonde_agent.sources.memory.target import opened

from tests.go_programs import GoProgram
from tests.versions import VERSIONS

Start = Callable[..., GoProgram]


def places(pclntab: Pclntab) -> list[int]:
    """Link-time addresses: the entry of each function, and where each of its calls returns to."""
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    found = []
    for entry in np.unique(pclntab.entries[:-1]).tolist():
        details = pclntab.details_of(entry)
        assert details is not None
        calls = [
            at + size
            for at, size, name, _ in disassembler.disasm_lite(pclntab.code_of(details), entry)
            if name == "call"
        ]
        found += [entry, *(pc for pc in calls if pc < details.end)]
    return found


def digits(words: Bools) -> str:
    """As the program writes them, but for zeros at the end: versions differ in how many they have."""
    return "".join("01"[int(word)] for word in words).rstrip("0") or "."


def as_written(stack_map: StackMap) -> tuple[str, str, str]:
    """Locals, arguments and variables."""
    assert stack_map.locals is not None
    assert stack_map.args is not None
    objects = ",".join(f"{offset}:{size}:{pointers}" for offset, size, pointers in stack_map.objects.tolist())
    return digits(stack_map.locals), digits(stack_map.args), objects


def answers(program: GoProgram, pcs: list[int], folder: Path) -> list[list[str]]:
    """The program's lines: address, size of the frame, locals, arguments, variables."""
    (folder / "in").write_text("".join(f"{pc:x}\n" for pc in pcs))
    program.ask(f"maps {folder / 'in'} {folder / 'out'}")
    return [line.split(" ") for line in (folder / "out").read_text().splitlines()]


@pytest.mark.parametrize("stripped", [False, True], ids=["symbols", "stripped"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_map_equals_the_runtimes(version: str, stripped: bool, go_program: Start, tmp_path: Path) -> None:
    is_checked = int(version.split(".")[1]) >= 23
    ldflags = ["-checklinkname=0"] * is_checked + ["-s", "-w"] * stripped
    program = go_program("stackmaps", version=version, ldflags=ldflags)
    seen: Counter[str] = Counter()
    with opened(program.pid) as target:
        pclntab, bias = target.pclntab, target.runtime.bias
        maps, pcs = StackMaps(pclntab), places(target.pclntab)
        lines = answers(program, [pc + bias for pc in pcs], tmp_path)
        assert len(lines) == len(pcs) > 10_000
        for pc, (_, size, local, called_with, objects) in zip(pcs, lines, strict=True):
            details = pclntab.details_of(pc)
            assert details is not None
            found = maps.at(details, pc)
            if found is None:
                assert int(size) < 0
                continue
            assert found.frame_bytes == int(size)
            known = found.locals is not None and found.args is not None
            seen["known to " + ("neither", "the runtime", "us", "both")[2 * known + (local != "?")]] += 1
            if known and local != "?":
                expected = local.rstrip("0") or ".", called_with.rstrip("0") or ".", objects.replace(":-", ":")
                assert as_written(found) == expected, f"{details.name} at {pc:#x}"
                seen["with variables"] += bool(objects)
            elif known:
                assert (found.args_bytes or 0) < 8, details.name
    assert seen["known to both"] > 0.95 * len(pcs)
    assert seen["with variables"] > 2_000
