"""Variables that code names relative to itself, as machine code has them."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from gosonde_agent.golang.pclntab import Function
from gosonde_agent.sources.memory.references import Reference, immediates, references

ENTRY = 0x401000
INSTRUCTIONS = (
    "48 8d 05 10 00 00 00",  # lea rax, [rip + 0x10]
    "48 8b 0d f8 ff ff ff",  # mov rcx, [rip - 8]
    "48 89 15 00 00 00 00",  # mov [rip], rdx
    "48 3b 05 05 00 00 00",  # cmp rax, [rip + 5]
    "48 8b 40 08",  # mov rax, [rax + 8]
    "c7 05 01 00 00 00 02 00 00 00",  # mov dword ptr [rip + 1], 2
    "48 8d 44 24 10",  # lea rax, [rsp + 0x10]
    "c3",
)


ON_ARM64 = (
    "05000090",  # adrp x5, the page of the code
    "a6400091",  # add x6, x5, #0x10
    "a71040b9",  # ldr w7, [x5, #0x10]
    "c80840f9",  # ldr x8, [x6, #0x10]
    "a80001f9",  # str x8, [x5, #0x200]
    "1b0000b0",  # adrp x27, the next page
    "7b430091",  # add x27, x27, #0x10
    "600740a9",  # ldp x0, x1, [x27]
    "c8fc09c8",  # stlxr w9, x8, [x6]
    "e50307aa",  # mov x5, x7
    "a50040f9",  # ldr x5, [x5]
    "00000094",  # bl
    "c00040f9",  # ldr x0, [x6]
    "c0035fd6",
)


class OneFunction:
    """What of a Pclntab and an ElfImage is asked."""

    def __init__(self, architecture: str, instructions: Sequence[str]) -> None:
        self.architecture = architecture
        self.code = bytes.fromhex("".join(instructions))

    def find(self, name: str) -> Function | None:
        return Function(name, ENTRY, ENTRY + len(self.code)) if name == "runtime.some" else None

    def read(self, address: int, size: int) -> bytes:
        return self.code[address - ENTRY :][:size]


def test_each_operand_that_is_relative_to_the_code_is_a_variable() -> None:
    program = cast("Any", OneFunction("amd64", INSTRUCTIONS))
    found = references(program, program, ["runtime.absent", "runtime.some"])
    assert found == [
        Reference(ENTRY + 7 + 0x10, is_address=True, function="runtime.some"),
        Reference(ENTRY + 14 - 8, is_address=False, function="runtime.some"),
        Reference(ENTRY + 21, is_address=False, function="runtime.some"),
        Reference(ENTRY + 28 + 5, is_address=False, function="runtime.some"),
        Reference(ENTRY + 42 + 1, is_address=False, function="runtime.some"),
    ]


def test_on_arm64_a_variable_is_a_page_and_a_place_in_it_until_a_call_or_another_value() -> None:
    program = cast("Any", OneFunction("arm64", ON_ARM64))
    assert [(found.address, found.is_address) for found in references(program, program, ["runtime.some"])] == [
        (ENTRY + 0x10, True),
        (ENTRY + 0x10, False),
        (ENTRY + 0x20, False),
        (ENTRY + 0x200, False),
        (ENTRY + 0x1010, False),
        (ENTRY + 0x1018, False),
        (ENTRY + 0x10, False),
    ]


@pytest.mark.parametrize(
    ("architecture", "instructions"),
    [
        ("amd64", ("3c 2e", "48 83 f8 10", "48 39 c8", "48 05 07 00 00 00", "c3")),
        ("arm64", ("1fb80071", "1f4000f1", "1f0001eb", "001c0091", "c0035fd6")),
    ],
)
def test_only_numbers_that_are_compared_with_count(architecture: str, instructions: tuple[str, ...]) -> None:
    program = cast("Any", OneFunction(architecture, instructions))
    assert immediates(program, program, "runtime.some") == [0x2E, 0x10]
    assert immediates(program, program, "runtime.absent") == []
