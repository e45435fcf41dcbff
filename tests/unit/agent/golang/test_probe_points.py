"""Where a probe may go, on small functions written for one property each."""

import struct

import pytest
from gosonde_agent.golang.costs import Cost
from gosonde_agent.golang.gopc_proof import gopc_offset
from gosonde_agent.golang.instructions import MACHINES, decode
from gosonde_agent.golang.probe_points import ProbePoint, entry_point, last_call_point
from gosonde_agent.model.errors import MalformedBinaryError, UnprovedProbePointError

ENTRY = 0x1000
MORESTACK = 0x9000
CALLEE = 0xA000
NAMES = {MORESTACK: "runtime.morestack_noctxt", CALLEE: "runtime.wakep"}

CHECK = bytes.fromhex("493b6610")  # cmp rsp, [r14+0x10]
PUSH = b"\x55"
SUB = bytes.fromhex("4883ec10")  # sub rsp, 0x10
NOP5 = bytes.fromhex("0f1f440000")
BRANCH = bytes.fromhex("7500")  # jne to the next instruction
NOP = b"\x90"
BODY = bytes.fromhex("4889e5") + bytes.fromhex("5d") + b"\xc3"  # mov rbp, rsp; pop rbp; ret
STORE, LOAD = bytes.fromhex("4889442440"), bytes.fromhex("488b442440")  # mov [rsp+0x40], rax and back
CLEAR_RAX = bytes.fromhex("31c0")


def call(at: int, target: int) -> bytes:
    return b"\xe8" + struct.pack("<i", target - (ENTRY + at + 5))


def jump(at: int, target: int) -> bytes:
    return b"\xe9" + struct.pack("<i", target - (ENTRY + at + 5))


def below_or_equal(at: int, target: int) -> bytes:
    return b"\x0f\x86" + struct.pack("<i", target - (ENTRY + at + 6))


def checked(body: bytes, restart: int = ENTRY) -> bytes:
    """A function with a stack check in front of its body, whose slow path ends in a jump to `restart`."""
    front = len(CHECK) + 6
    slow = front + len(body)
    code = CHECK + below_or_equal(len(CHECK), ENTRY + slow) + body
    code += call(slow, MORESTACK)
    return code + jump(slow + 5, restart)


def point_of(code: bytes, *registers: str, behind_calls: bool = False) -> ProbePoint:
    return entry_point(
        "created",
        "runtime.f",
        decode(code, ENTRY, "amd64"),
        frozenset(registers),
        NAMES.get,
        machine=MACHINES["amd64"],
        behind_calls=behind_calls,
    )


def test_the_push_behind_the_stack_check_is_better_than_the_entry() -> None:
    point = point_of(checked(PUSH + BODY), "rax")
    assert (point.offset, point.instruction, point.cost) == (10, "push rbp", Cost.EMULATED)


def test_no_probe_is_where_a_kernel_writes_a_call_instead_of_a_breakpoint() -> None:
    assert point_of(checked(NOP5 + SUB + BODY)).instruction.startswith("sub rsp")
    assert point_of(checked(NOP5 + PUSH + BODY)).instruction == "push rbp"
    with pytest.raises(UnprovedProbePointError, match="after the stack check no instruction"):
        point_of(NOP5)


def test_a_call_is_better_than_a_step_and_what_writes_nothing_on_the_stack_better_than_both() -> None:
    assert point_of(checked(SUB + call(14, CALLEE) + BODY)).instruction.startswith("call")
    assert point_of(checked(SUB + BRANCH + BODY)).instruction.startswith("jne")
    assert point_of(checked(PUSH + SUB + BRANCH + BODY)).instruction.startswith("jne")
    assert point_of(checked(PUSH + NOP + BRANCH + BODY)).instruction == "nop"


def test_where_nothing_is_cheaper_than_a_step_the_proof_says_so() -> None:
    point = point_of(checked(SUB + CLEAR_RAX + b"\x55" + BODY), "rax")
    assert point.cost == Cost.SINGLE_STEPPED
    assert any("cheaper than a step" in sentence for sentence in point.proof)


def test_a_point_behind_an_overwritten_register_is_not_taken_unless_nothing_is_read_from_it() -> None:
    code = checked(CLEAR_RAX + PUSH + BODY)
    assert point_of(code, "rax").instruction == "xor eax, eax"
    assert point_of(code, "rcx").instruction == "push rbp"


def again(stored: bytes = STORE, between: bytes = b"", loaded: bytes = LOAD) -> str:
    """Where a function is probed that stores rax, calls, loads rax again and branches."""
    front = PUSH + SUB + stored + between
    code = checked(front + call(10 + len(front), CALLEE) + loaded + BRANCH + BODY)
    return point_of(code, "rax", behind_calls=True).instruction.split()[0]


def test_behind_a_call_a_register_counts_that_is_loaded_again_from_where_it_was_stored() -> None:
    assert again() == "jne"
    code = checked(PUSH + SUB + STORE + call(10 + 10, CALLEE) + LOAD + BRANCH + BODY)
    assert point_of(code, "rax").instruction == "push rbp"
    assert any("loaded again" in sentence for sentence in point_of(code, "rax", behind_calls=True).proof)


@pytest.mark.parametrize(
    "otherwise",
    [
        {"stored": b""},
        {"stored": CLEAR_RAX + STORE},
        {"loaded": b""},
        {"loaded": bytes.fromhex("488b4c2440")},  # mov rcx, [rsp+0x40]
        {"loaded": bytes.fromhex("488b442438")},  # mov rax, [rsp+0x38]
        {"between": bytes.fromhex("48895c2440")},  # mov [rsp+0x40], rbx
        {"between": bytes.fromhex("48895c2444")},  # mov [rsp+0x44], rbx
        {"between": bytes.fromhex("48895d40")},  # mov [rbp+0x40], rbx
        {"between": bytes.fromhex("c644244000")},  # mov byte ptr [rsp+0x40], 0
        {"between": bytes.fromhex("488d442440")},  # lea rax, [rsp+0x40]
        {"between": SUB},
        {"loaded": LOAD + CLEAR_RAX},
    ],
)
def test_behind_a_call_a_register_does_not_count_that_may_hold_something_else(otherwise: dict[str, bytes]) -> None:
    assert again(**otherwise) == "push"


def test_a_function_without_a_stack_check_may_be_probed_at_its_entry() -> None:
    assert point_of(PUSH + BODY).offset == 0


def test_a_stack_check_that_does_not_enter_the_function_anew_is_refused() -> None:
    with pytest.raises(UnprovedProbePointError, match="stack check was not recognized"):
        point_of(checked(PUSH + BODY, restart=ENTRY + 10))


def test_a_jump_back_to_the_point_or_before_it_is_refused() -> None:
    back = jump(11, ENTRY + 10)
    with pytest.raises(UnprovedProbePointError, match="leads back to 0x100a"):
        point_of(checked(PUSH + back))


def test_a_function_with_an_indirect_jump_is_refused() -> None:
    with pytest.raises(UnprovedProbePointError, match="indirect"):
        point_of(checked(PUSH + bytes.fromhex("ffe0")))


def test_bytes_that_are_no_instruction_are_refused() -> None:
    with pytest.raises(MalformedBinaryError, match="no instruction"):
        decode(PUSH + b"\x06" + BODY, ENTRY, "amd64")


def test_the_last_call_must_lie_on_every_way_to_a_return() -> None:
    straight = call(0, CALLEE) + b"\xc3"
    point = last_call_point("started", "runtime.f", decode(straight, ENTRY, "amd64"), CALLEE, "runtime.wakep")
    assert point.offset == 0
    around = bytes.fromhex("7405") + call(2, CALLEE) + b"\xc3"  # je over the call
    with pytest.raises(UnprovedProbePointError, match="avoids the call"):
        last_call_point("started", "runtime.f", decode(around, ENTRY, "amd64"), CALLEE, "runtime.wakep")


#: mov [rsp+8], rax; mov [rsp+24], rcx; mov rdx, [rsp+24]; mov [rsi+0x120], rdx; mov rdx, [rsp+8]; mov rdx, [rdx];
#: mov [rsi+0x130], rdx; ret
STORES = bytes.fromhex(
    "4889442408 48894c2418 488b542418 48899620010000 488b542408 488b12 48899630010000 c3".replace(" ", "")
)


def test_the_code_of_newproc1_shows_where_gopc_lies() -> None:
    assert gopc_offset(decode(STORES, ENTRY, "amd64"), MACHINES["amd64"], 2) == 0x120


@pytest.mark.parametrize(
    ("old", "new"),
    [("48899630010000", "48899638010000"), ("488b12", "488912"), ("488b542418", "488b542410")],
    ids=["startpc elsewhere", "fn not dereferenced", "another slot"],
)
def test_code_that_stores_otherwise_shows_nothing(old: str, new: str) -> None:
    code = STORES.replace(bytes.fromhex(old), bytes.fromhex(new))
    assert code != STORES
    assert gopc_offset(decode(code, ENTRY, "amd64"), MACHINES["amd64"], 2) is None


def test_the_end_of_an_instruction_that_looks_like_padding_belongs_to_it() -> None:
    body = b"\x90" * 50
    for padding in (b"", b"\xcc", b"\xcc" * 13):
        last = decode(body + b"\xeb\xcc" + padding, 0x1000, "amd64")[-1]
        assert (last.text, last.target, last.end) == ("jmp 0x1000", 0x1000, 0x1034)


def test_code_that_is_cut_off_within_an_instruction_is_refused() -> None:
    with pytest.raises(MalformedBinaryError, match="no instruction"):
        decode(b"\x90\xe8\x01", 0x1000, "amd64")
