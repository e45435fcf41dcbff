"""arm64, as far as it can be tested without such a machine: what is read off binaries, points, compiled probes."""

import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_agent.golang import binary
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.costs import Cost
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.instructions import decode
from gosonde_agent.golang.pclntab import Pclntab, printed_name
from gosonde_agent.golang.wait_targets import RECEIVES, SELECT, WaitTargets
from gosonde_agent.sources.ebpf import probe_text
from gosonde_agent.sources.memory import candidates, heap_candidates
from gosonde_agent.sources.memory.symbols import from_symbol_table

from tests import go_programs
from tests.integration.agent.golang.test_symbolization import addr2line
from tests.versions import IS_MATRIX, VERSIONS

ARM64 = {"GOARCH": "arm64"}
PROBES = {"created", "exited", "parked", "stopped", "started", "status_changed", "mark_termination"}
BUILDS = {"default": {}, "stripped": {"ldflags": ("-s", "-w")}, "trimpath": {"flags": ("-trimpath",)}}
#: What Go's register ABI has the arguments in, and what the probes read of the kernel's registers.
NEEDED = {"created": ("x0", "x2"), "exited": ("x0",), "parked": ("x2",), "status_changed": ("x0", "x1", "x2")}


def load(path: Path) -> GoBinary:
    fd = os.open(path, os.O_RDONLY)
    try:
        return binary.load(fd, str(path))
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("version", "build"), [(v, b) for v in VERSIONS for b in BUILDS if IS_MATRIX or b == "default" or v == VERSIONS[-1]]
)
def test_every_probe_has_a_proved_point_in_a_cross_built_program(version: str, build: str) -> None:
    known = load(go_programs.build("churn", version, env=ARM64, **BUILDS[build]))  # type: ignore[arg-type]
    assert known.architecture == "arm64"
    assert set(known.points) == PROBES
    for name, point in known.points.items():
        assert point.offset > 0
        assert point.vaddr % 4 == 0
        assert point.cost in (Cost.EMULATED, Cost.SINGLE_STEPPED)
        assert all(register in point.proof[-1] for register in NEEDED.get(name, ()))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_code_keeps_gopc_where_the_table_says(version: str) -> None:
    arm64, amd64 = (load(go_programs.build("churn", version, env=env)) for env in (ARM64, {}))
    assert arm64.layout.gopc == amd64.layout.gopc, "g has no fields that depend on the architecture"


@pytest.mark.parametrize("version", VERSIONS)
def test_addresses_have_the_functions_files_and_lines_of_addr2line(version: str) -> None:
    path = go_programs.build("symbols", version, env=ARM64)
    known = load(path)
    chance = random.Random(1)
    spans = [(low, high) for low, high in itertools.pairwise(known.pclntab.entries.tolist()) if high - low > 8]
    addresses = sorted(low + chance.randrange((high - low) // 4) * 4 for low, high in chance.choices(spans, k=2_000))
    for pc, (function, place) in zip(addresses, addr2line(path, version, tuple(addresses)), strict=True):
        location = known.pclntab.location_of(pc)
        assert location is not None
        if (location.file, place) == ("?", ":-1"):
            continue  # padding between two functions
        assert (location.function, f"{location.file}:{location.line}") == (printed_name(function), place), hex(pc)
        innermost = known.pclntab.frames_of(pc, known.layout.func_ids["gopanic"])[0]
        assert (innermost.file, innermost.line) == (location.file, location.line)


@pytest.mark.usefixtures("ebpf")
def test_the_probes_compile_for_arm64_and_read_its_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    import bcc  # noqa: PLC0415  # what the fixture checked for

    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(probe_text.probe_dir() / "kernel"))
    sizes = [f"-D{name}={value}" for name, value in probe_text.SIZES.items()]
    compiled = {
        target: bcc.BPF(text=probe_text.source().encode(), cflags=[*sizes, *flags])
        for target, flags in {"amd64": [], "arm64": ["-D__TARGET_ARCH_arm64"]}.items()
    }
    try:
        # newproc1's callerpc: rcx lies at byte 88 of struct pt_regs, x2 at byte 16.
        assert 88 in loads_from_context(compiled["amd64"].dump_func(b"on_created"))
        assert 16 in loads_from_context(compiled["arm64"].dump_func(b"on_created"))
        for function in ("on_stop_untold", "on_start", "on_mark_termination", "on_park", "on_exited_288", "on_exec"):
            assert compiled["arm64"].dump_func(function.encode())
    finally:
        for found in compiled.values():
            found.cleanup()


def loads_from_context(code: bytes) -> set[int]:
    """Offsets of the 8-byte loads in a BPF program: opcode, registers, 16-bit offset, 32-bit number."""
    instructions = (code[i : i + 8] for i in range(0, len(code), 8))
    return {int.from_bytes(found[2:4], "little", signed=True) for found in instructions if found[0] == 0x79}


def symbols_of(image: ElfImage) -> dict[str, int]:
    return from_symbol_table(image, {f"runtime.{name}" for name in (*candidates.VARIABLES, *heap_candidates.VARIABLES)})


@pytest.mark.parametrize("buildmode", ["exe", "pie"])
@pytest.mark.parametrize("version", VERSIONS)
def test_instructions_lead_to_where_the_symbols_are(version: str, buildmode: str) -> None:
    path = go_programs.build("churn", version, env=ARM64, buildmode=buildmode)
    known = load(path)
    with path.open("rb") as file:
        image = ElfImage(file.fileno())
        at = symbols_of(image)
        found = candidates.from_instructions(image, known.pclntab, known.layout)
        heap = heap_candidates.from_instructions(image, known.pclntab, known.layout)
        by_symbols = candidates.find(image, file.fileno(), known.pclntab, known.layout)
    assert found.allgs == [at["runtime.allgs"]]
    assert found.sched[0] == at["runtime.sched"]
    assert found.memstats[0] == at["runtime.memstats"]
    assert found.controller[0] == at["runtime.gcController"]
    assert {at["runtime.allglen"], at["runtime.allp"], at["runtime.runtimeInitTime"]} <= {
        *found.allglen,
        *found.allp,
        *found.init_time,
    }
    assert set(found.t_end) & set(by_symbols.t_end)
    assert (found.wait_reasons, found.enabling) == (by_symbols.wait_reasons, by_symbols.enabling)
    assert found.wait_reasons[1]
    assert heap.mheap[0] == at["runtime.mheap_"]
    assert heap.allfin == [at["runtime.allfin"]]
    assert list(heap.cleanups) == [at[name] for name in ("runtime.gcCleanups",) if name in at]


WAITING = {
    "context_in_closure": "context",
    "context_never_cancelled": "context",
    "ticker_never_stopped": "timer",
    "signals_of_ones_own": "signal",
    "channel_receive": "",
}


@pytest.mark.parametrize("program", WAITING)
def test_what_a_channel_belongs_to_is_inferred_as_on_amd64(program: str) -> None:
    waits = {
        architecture: list(waits_of(load(go_programs.build(f"leaky/{program}", env=env)).pclntab))
        for architecture, env in {"amd64": {}, "arm64": ARM64}.items()
    }
    assert waits["arm64"] == waits["amd64"]
    assert {answer for name, answer in waits["arm64"] if name.startswith("main.")} >= {WAITING[program]}


def waits_of(pclntab: Pclntab) -> Iterator[tuple[str, str]]:
    """(function, an answer) of each call that waits, and for a closure of each function, in some packages."""
    targets = WaitTargets(pclntab)
    callees = {function.entry for name in (*RECEIVES, SELECT) if (function := pclntab.find(name)) is not None}
    for entry in pclntab.entries.tolist():
        details = pclntab.details_of(entry)
        if details is None or not details.name.startswith(("main.", "context.", "os/signal.", "time.")):
            continue
        yield details.name, targets.made_by(details.entry, f"{details.name}.func1")
        for found in decode(pclntab.code_of(details), details.entry, pclntab.architecture):
            if found.flow == "call" and found.target in callees:
                yield details.name, targets.of(found.address)
