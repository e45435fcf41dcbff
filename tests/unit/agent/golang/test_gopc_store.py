"""The instruction that stores gopc is used only where the code shows that each call passes it once."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from gosonde_agent.golang.gopc_store import find_gopc_store
from gosonde_agent.golang.instructions import MACHINES, decode
from gosonde_agent.model.errors import UnprovedProbePointError

ENTRY = 0x1000
LAYOUT = cast("Any", SimpleNamespace(gopc=0x120, callerpc=2))
LOAD_START = bytes.fromhex("488b30")  # mov rsi, qword ptr [rax]
STORE_GOPC = bytes.fromhex("48898a20010000")  # mov qword ptr [rdx + 0x120], rcx
STORE_START = bytes.fromhex("4889b230010000")  # mov qword ptr [rdx + 0x130], rsi
RETURN = b"\xc3"


def find(*code: bytes, architecture: str = "amd64") -> Any:
    return find_gopc_store(decode(b"".join(code), ENTRY, "amd64"), MACHINES[architecture], LAYOUT)


def test_the_store_is_found_with_the_registers_of_the_goroutine_and_of_its_statement() -> None:
    found = find(LOAD_START, STORE_GOPC, STORE_START, RETURN)
    assert (found.vaddr, found.offset, found.g, found.site) == (ENTRY + 3, 3, "rdx", "rcx")
    assert len(found.proof) == 5


def test_a_way_to_the_return_that_goes_around_it_is_no_proof() -> None:
    around = bytes((0x74, len(STORE_GOPC)))  # je behind the store
    with pytest.raises(UnprovedProbePointError, match="can return without"):
        find(LOAD_START, around, STORE_GOPC, STORE_START, RETURN)


def test_a_way_back_to_it_is_no_proof() -> None:
    back = bytes((0x74, 0x100 - len(STORE_GOPC) - len(STORE_START) - 2))  # je to the store
    with pytest.raises(UnprovedProbePointError, match="twice in one call"):
        find(LOAD_START, STORE_GOPC, STORE_START, back, RETURN)


def test_two_stores_at_the_offset_are_no_proof() -> None:
    with pytest.raises(UnprovedProbePointError, match="2 instructions store"):
        find(LOAD_START, STORE_GOPC, STORE_GOPC, STORE_START, RETURN)


def test_a_store_of_something_else_than_the_argument_is_no_proof() -> None:
    changed = bytes.fromhex("4831c9")  # xor rcx, rcx
    with pytest.raises(UnprovedProbePointError, match="does not show"):
        find(LOAD_START, changed, STORE_GOPC, STORE_START, RETURN)


def test_other_architectures_are_refused() -> None:
    with pytest.raises(UnprovedProbePointError, match="amd64 only"):
        find(LOAD_START, STORE_GOPC, STORE_START, RETURN, architecture="arm64")
