"""Variables that code names relative to itself, as machine code has them."""

from typing import Any, cast

from gosonde_agent.golang.pclntab import Function
from gosonde_agent.sources.memory.references import Reference, references

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


class OneFunction:
    """What of a Pclntab and an ElfImage is asked."""

    code = bytes.fromhex("".join(INSTRUCTIONS))

    def find(self, name: str) -> Function | None:
        return Function(name, ENTRY, ENTRY + len(self.code)) if name == "runtime.some" else None

    def read(self, address: int, size: int) -> bytes:
        return self.code[address - ENTRY :][:size]


def test_each_operand_that_is_relative_to_the_code_is_a_variable() -> None:
    program = cast("Any", OneFunction())
    found = references(program, program, ["runtime.absent", "runtime.some"])
    assert found == [
        Reference(ENTRY + 7 + 0x10, is_address=True, function="runtime.some"),
        Reference(ENTRY + 14 - 8, is_address=False, function="runtime.some"),
        Reference(ENTRY + 21, is_address=False, function="runtime.some"),
        Reference(ENTRY + 28 + 5, is_address=False, function="runtime.some"),
        Reference(ENTRY + 42 + 1, is_address=False, function="runtime.some"),
    ]
