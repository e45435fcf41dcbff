"""Of each source it is said whether the host and the binary allow it, with the reasons of both."""

import platform
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gosonde_agent.sources.kinds import EBPF, MEMORY, PERF_BREAKPOINTS, PERF_UPROBES, PTRACE_WINDOWS
from gosonde_agent.sources.possible import Possibility, of_binary

KINDS = (EBPF, PERF_BREAKPOINTS, PERF_UPROBES, MEMORY, PTRACE_WINDOWS)
ALL_ALLOWED = [Possibility(kind) for kind in KINDS]
ADDRESS = 0x401000
SUBTRACTION = bytes.fromhex("4883ec28")  # sub rsp, 0x28
CREATED, EXITED = ADDRESS, ADDRESS + 16
STORE = SimpleNamespace(vaddr=ADDRESS + 8, g="rdx", site="rcx")


@pytest.fixture(autouse=True)
def _host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    """A file that has a push at CREATED, and at EXITED what nobody can do in place of the processor."""
    code = b"\x55".ljust(EXITED - CREATED, b"\x90") + SUBTRACTION.ljust(16)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 64 + 56, ADDRESS, ADDRESS, len(code), len(code), 1)
    file = tmp_path / "program"
    file.write_bytes(header + segment + code)
    with file.open("rb") as opened:
        yield opened.fileno()


def binary(*, store: object = STORE, architecture: str = "amd64", unproved: Sequence[str] = ()) -> Any:
    places = {"created": CREATED, "exited": EXITED}
    points = {
        probe: SimpleNamespace(vaddr=vaddr, function=f"runtime.{probe}", instruction="sub rsp, 0x28")
        for probe, vaddr in places.items()
    }
    return SimpleNamespace(
        architecture=architecture,
        gopc_store=store,
        points=points,
        file_offsets={**places, "gopc_stored": 1},
        layout=SimpleNamespace(callerpc=2),
        unproved=dict.fromkeys(unproved, "it has no such function"),
    )


def reasons(found: Sequence[Possibility]) -> Mapping[str, str]:
    assert [each.kind.name for each in found] == [kind.name for kind in KINDS]
    return {each.kind.name: each.refused for each in found}


def test_a_binary_without_a_proved_store_of_gopc_is_not_counted_by_perf_events(fd: int) -> None:
    said = reasons(of_binary(ALL_ALLOWED, binary(store=None), fd))
    assert said["perf-breakpoints"] == said["perf-uprobes"]
    assert "no instruction of runtime.newproc1 is proved" in said["perf-uprobes"]
    assert not said["ebpf"]


def test_an_exit_at_an_instruction_that_nobody_does_gets_no_breakpoint_by_ptrace(fd: int) -> None:
    said = reasons(of_binary(ALL_ALLOWED, binary(), fd))
    assert "the instruction for the probe 'exited'" in said["ptrace"]
    assert not said["ebpf"]


def test_where_the_file_does_not_show_the_runtime_neither_memory_nor_perf_events_are_possible(fd: int) -> None:
    said = reasons(of_binary(ALL_ALLOWED, binary(), fd))
    assert "not a Go binary" in said["memory"]
    assert said["perf-breakpoints"] == said["perf-uprobes"] == said["memory"]


def test_a_binary_for_another_architecture_is_refused_to_every_source(fd: int) -> None:
    said = reasons(of_binary(ALL_ALLOWED, binary(architecture="arm64"), fd))
    assert set(said.values()) == {"the binary is for arm64, and this host is x86_64"}


def test_what_the_host_refuses_is_said_before_what_the_binary_does(fd: int) -> None:
    on_host = [Possibility(kind, "not permitted here") for kind in KINDS]
    said = reasons(of_binary(on_host, binary(store=None), fd))
    assert said["ebpf"] == "not permitted here"
    assert said["perf-uprobes"].startswith("not permitted here; no instruction of runtime.newproc1")


def test_a_reason_of_host_and_binary_is_said_once(fd: int) -> None:
    foreign = reasons(of_binary(ALL_ALLOWED, binary(architecture="arm64"), fd))["ebpf"]
    on_host = [Possibility(kind, foreign) for kind in KINDS]
    assert reasons(of_binary(on_host, binary(architecture="arm64"), fd))["ebpf"] == foreign


def test_probes_that_are_not_proved_are_what_ebpf_cannot_see(fd: int) -> None:
    found = of_binary(ALL_ALLOWED, binary(unproved=("parked", "stopped", "started")), fd)
    assert found[0].kind.cannot == ("how often goroutines park", "stop-the-world pauses")
    assert found[3].kind == MEMORY
