"""Where a P takes its next 16 goroutine ids, on small functions written for one property each."""

import pytest
from gosonde_agent.golang.instructions import MACHINES, decode
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.refill import Refill, find_refill
from gosonde_agent.model.errors import UnprovedProbePointError

ENTRY, BARRIER, OTHER = 0x1000, 0x1800, 0x1900
NAMES = {BARRIER: "runtime.gcWriteBarrier2", OTHER: "runtime.casgstatus"}
FIELDS = {"p": {"goidcache": 0x180, "goidcacheend": 0x188}, "g": {"goid": 0x98, "gopc": 0x120}}
LAYOUT = Layout("a test", FIELDS, {}, "runtime.gdestroy", has_stop_reason=True, callerpc=2)

LOAD_RDX = bytes.fromhex("488b542408")  # mov rdx, [rsp+8]
STORE_GOPC = bytes.fromhex("48898a20010000")  # mov [rdx+0x120], rcx
LOAD_RAX = bytes.fromhex("488b442408")  # mov rax, [rsp+8]
COMPARE = bytes.fromhex("4d8b9080010000 4d399088010000")  # mov r10, [r8+0x180]; cmp [r8+0x188], r10
NOP = b"\x90"
TAKE = bytes.fromhex(
    "41ba10000000 4c8d1d89ba6900 f04d0fc113 4d8d5a01"  # r10 = 16; r11 = &goidgen; lock xadd [r11], r10; r11 = r10+1
    "4d899880010000 4983c211 4d899088010000"  # [r8+0x180] = r11; r10 += 17; [r8+0x188] = r10
)
USE = bytes.fromhex("498b9080010000 48899098000000 c3")  # mov rdx, [r8+0x180]; mov [rax+0x98], rdx; ret
FRONT = LOAD_RDX + STORE_GOPC + LOAD_RAX
LOAD_ID, STORE_ID = bytes.fromhex("498b9080010000"), bytes.fromhex("48899098000000 c3")


def call(at: int, target: int) -> bytes:
    return b"\xe8" + (target - (ENTRY + at + 5)).to_bytes(4, "little", signed=True)


def branch(first: bytes = NOP, take: bytes = TAKE) -> bytes:
    return COMPARE + b"\x75" + bytes([len(first) + len(take)]) + first + take


def found(code: bytes, architecture: str = "amd64") -> Refill:
    return find_refill(decode(code, ENTRY, "amd64"), MACHINES[architecture], LAYOUT, NAMES.get)


def test_it_is_the_branch_that_takes_ids_and_the_register_whose_goid_is_stored_behind_it() -> None:
    place = found(FRONT + branch() + USE)
    assert (place.vaddr, place.holder) == (ENTRY + len(FRONT + COMPARE) + 2, "rax")
    assert len(place.proof) == 4


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (FRONT + branch(b"") + USE, "would have to step"),
        (FRONT + branch(bytes.fromhex("0f1f440000")) + USE, "would have to step"),
        (FRONT + branch(take=TAKE.replace(b"\x41\xba\x10", b"\x41\xba\x20")) + USE, "0 branches"),
        (FRONT + branch(take=TAKE.replace(b"\xc2\x11", b"\xc2\x12")) + USE, "0 branches"),
        (FRONT + branch().replace(COMPARE, COMPARE[:-4] + b"\x90\x01\x00\x00") + USE, "0 branches"),
        (FRONT + branch() + branch() + USE, "2 branches"),
        (FRONT + branch() + LOAD_RAX + LOAD_RAX + USE, "nothing holds"),
        (FRONT + branch() + bytes.fromhex("4889d0") + USE, "nothing holds"),  # mov rax, rdx
        (FRONT + branch() + LOAD_ID + bytes.fromhex("50") + LOAD_RAX + STORE_ID, "nothing holds"),  # push rax
        (FRONT + branch() + LOAD_ID + bytes.fromhex("488b442410") + STORE_ID, r"\[rsp \+ 0x10\] holds"),
        (FRONT + branch() + USE[7:], "the id is not stored"),
        (FRONT + branch() + USE + b"\xeb" + bytes([256 - len(USE + TAKE) - 2]), "leads into the branch"),
        (b"\x74\x0c" + FRONT + branch() + USE, "not stored on every way"),
        (FRONT + STORE_GOPC + branch() + USE, "2 instructions store"),
        (FRONT[:-1] + b"\x10" + branch() + USE, "it is not known that rax"),
        (LOAD_RDX + bytes.fromhex("4c895c2408") + FRONT[5:] + branch() + USE, "it is not known that rax"),
        (FRONT + call(len(FRONT), OTHER) + branch() + USE, "it is not known that rax"),
        (FRONT + bytes.fromhex("488d7c2408") + branch() + USE, "an address on its stack"),
        (FRONT + branch() + USE + b"\xff\xe0", "to an unknown place"),
    ],
    ids=lambda value: value if isinstance(value, str) else "code",
)
def test_no_place_is_taken_without_the_whole_proof(code: bytes, why: str) -> None:
    with pytest.raises(UnprovedProbePointError, match=why):
        found(code)


def test_it_is_the_word_on_the_stack_that_the_g_is_loaded_from_behind_the_branch() -> None:
    """A call on the way takes all registers, and leaves the stack."""
    front = FRONT + call(len(FRONT), OTHER)
    assert found(front + branch() + LOAD_ID + LOAD_RAX + STORE_ID).holder == ("rsp", 8)


def test_a_write_barrier_keeps_the_register() -> None:
    code = FRONT + call(len(FRONT), BARRIER) + branch() + USE
    assert found(code).holder == "rax"


def test_both_ways_may_bring_the_same_g() -> None:
    """rax is a copy of rdx on one way, and loaded on the other."""
    ways = b"\x74\x05" + bytes.fromhex("4889d0") + b"\xeb\x05" + LOAD_RAX
    assert found(LOAD_RDX + STORE_GOPC + ways + branch() + USE).holder == "rax"
    different = b"\x74\x05" + bytes.fromhex("4889c8") + b"\xeb\x05" + LOAD_RAX  # mov rax, rcx
    with pytest.raises(UnprovedProbePointError, match="it is not known that rax"):
        found(LOAD_RDX + STORE_GOPC + different + branch() + USE)


def test_it_is_known_on_amd64_alone() -> None:
    with pytest.raises(UnprovedProbePointError, match="amd64"):
        found(FRONT + branch() + USE, "arm64")
