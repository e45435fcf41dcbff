"""What is decoded of an instruction is the same wherever it stands, but for where it goes."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from gosonde_agent.golang.instructions import decode


class Code(NamedTuple):
    """Some code, and of each instruction (flow, where it goes as seen from the first one, what it writes)."""

    architecture: str
    raw: bytes
    expected: list[tuple[str, int | None, set[str]]]


AMD64 = Code(
    "amd64",
    bytes.fromhex("4889d8 7405 e810000000 ffd0 c3"),  # mov rax, rbx; je +5; call +16; call rax; ret
    [
        ("next", None, {"rax"}),
        ("branch", 0x0A, set()),
        ("call", 0x1A, {"rsp"}),
        ("call", None, {"rsp"}),
        ("end", None, {"rsp"}),
    ],
)
ARM64 = Code(
    "arm64",
    bytes.fromhex("e00301aa 800000b4 04000094 00003fd6 c0035fd6"),  # mov x0, x1; cbz x0, +16; bl +16; blr x0; ret
    [
        ("next", None, {"x0"}),
        ("branch", 0x14, set()),
        ("call", 0x18, {"x30"}),
        ("call", None, {"x30"}),
        ("end", None, set()),
    ],
)


def decoded(code: Code, address: int) -> list[tuple[str, int | None, set[str]]]:
    return [
        (one.flow, None if one.target is None else one.target - address, set(one.writes))
        for one in decode(code.raw, address, code.architecture)
    ]


@pytest.mark.parametrize("code", [AMD64, ARM64], ids=lambda code: code.architecture)
def test_the_same_code_is_read_alike_at_every_address(code: Code) -> None:
    assert [decoded(code, address) for address in (0x1000, 0x40_0000, 0x1000)] == [code.expected] * 3


@pytest.mark.parametrize("code", [AMD64, ARM64], ids=lambda code: code.architecture)
def test_many_threads_may_read_code_at_the_same_time(code: Code) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: decoded(code, 0x1000 * number), range(1, 65)))
    assert found == [code.expected] * 64
