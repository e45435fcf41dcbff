"""The heap and its queues are found in every build, at the place where the linker put them, or refused."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.golang import buildinfo
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.layouts import layout_of
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.sources.memory import heap_candidates
from gosonde_agent.sources.memory.errors import NotLocatedError
from gosonde_agent.sources.memory.heap_chains import Chain, cleanup_chain, finalizer_chain
from gosonde_agent.sources.memory.heap_proof import HeapAddresses, prove_heap
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.symbols import from_symbol_table
from gosonde_agent.sources.memory.target import Target, opened
from gosonde_common.errors import GosondeError

from tests import go_programs, real_binaries
from tests.go_programs import GoProgram
from tests.real_servers import etcd, nats, prometheus
from tests.versions import VERSIONS

BUILDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stripped": {"ldflags": ("-s", "-w")},
    "pie": {"buildmode": "pie"},
    "stripped-pie": {"ldflags": ("-s", "-w"), "buildmode": "pie"},
}
COUNT = 500
#: What is made last may still stand on the stack; other objects of the program have finalizers too.
UNCERTAIN = 50
#: Only so that a program that does not start does not hang the tests.
PATIENCE_SECONDS = 60


def queued(runtime: Runtime, variable: int, chain: Chain) -> int:
    """How many elements the blocks of a queue have, which the process does not change."""
    total, block = 0, runtime.number(variable + chain.head)
    while block:
        total += runtime.number(block - runtime.bias + chain.count, 4)
        block = runtime.number(block - runtime.bias + chain.link)
    return total


def by_instructions(target: Target, path: Path) -> heap_candidates.HeapCandidates:
    """What the code of an unstripped binary says."""
    with path.open("rb") as file:
        return heap_candidates.from_instructions(ElfImage(file.fileno()), target.pclntab, target.runtime.layout)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_build_is_located_and_what_it_has_queued_is_counted(
    version: str, build: str, go_program: Callable[..., GoProgram]
) -> None:
    program = go_program("queued", str(COUNT), version=version, **BUILDS[build])
    has_own_queue = buildinfo.parse_version(f"go{version}").minor >= 25
    has_cleanups = buildinfo.parse_version(f"go{version}").minor >= 24
    with opened(program.pid) as target:
        runtime, heap = target.runtime, target.heap_addresses()
        assert heap.by == ("instructions" if "stripped" in build else "symbols")
        assert (heap.cleanups > 0) is has_own_queue
        finalizers = queued(runtime, heap.allfin, finalizer_chain(runtime.layout))
        chain = cleanup_chain(runtime.layout)
        cleanups = queued(runtime, heap.cleanups, chain) if chain else 0
    assert finalizers + cleanups == pytest.approx(COUNT * (1 + has_cleanups), abs=UNCERTAIN)
    assert (cleanups == pytest.approx(COUNT, abs=UNCERTAIN)) is has_own_queue


@pytest.mark.parametrize("build", ["plain", "pie"])
@pytest.mark.parametrize("version", VERSIONS)
def test_instructions_lead_to_where_the_symbols_are(
    version: str, build: str, go_program: Callable[..., GoProgram]
) -> None:
    program = go_program("parked", "20", version=version, **BUILDS[build])
    with opened(program.pid) as target:
        by_symbol = target.heap_addresses()
        found = by_instructions(target, go_programs.build("parked", version, **BUILDS[build]))
        assert replace(by_symbol, by="instructions") == prove_heap(target.runtime, found)
    assert len(found.allfin) == 1
    assert len(found.cleanups) == bool(by_symbol.cleanups)


@pytest.mark.parametrize("version", real_binaries.BUILDIFIER)
def test_the_code_of_versions_without_a_toolchain_leads_to_where_the_symbols_are(version: str) -> None:
    with real_binaries.buildifier(version).open("rb") as file:
        image = ElfImage(file.fileno())
        layout = layout_of(buildinfo.parse_version(buildinfo.read_version_string(image)))
        pclntab = Pclntab(image, layout)
        found = heap_candidates.from_instructions(image, pclntab, layout)
        symbols = from_symbol_table(image, {"runtime.mheap_", "runtime.allfin", "runtime.firstmoduledata"})
    assert found.mheap[0] == symbols["runtime.mheap_"]
    assert found.allfin == [symbols["runtime.allfin"]]
    assert pclntab.moduledata == symbols["runtime.firstmoduledata"]


PUBLISHED = (
    (real_binaries.buildifier, "1.17.2", "symbols"),
    (real_binaries.buildifier, "1.20.3", "symbols"),
    (real_binaries.esbuild, "1.17.5", "instructions"),
    (real_binaries.esbuild, "1.20.7", "instructions"),
)


@pytest.mark.parametrize(("program", "version", "by"), PUBLISHED)
def test_programs_of_versions_without_a_toolchain_are_located(
    program: Callable[[str], Path], version: str, by: str
) -> None:
    with subprocess.Popen([str(program(version))], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            assert located(process.pid).by == by
        finally:
            process.kill()


def located(pid: int) -> HeapAddresses:
    """The heap of a process that has just started, as soon as its runtime has."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with opened(pid) as target:
                return target.heap_addresses()
        except GosondeError:
            if time.monotonic() > end:
                raise
        time.sleep(0.05)


@pytest.mark.parametrize(("server", "by"), [(prometheus, "instructions"), (etcd, "instructions"), (nats, "symbols")])
def test_servers_that_nobody_here_wrote_are_located(
    server: Callable[[Path], tuple[Any, int, int]], by: str, tmp_path: Path
) -> None:
    command, port, _profile = server(tmp_path)
    with real_binaries.running(command, port, tmp_path) as pid, opened(pid) as target:
        assert target.heap_addresses().by == by
        for _ in range(20):  # at work, so that spans come and go while they are read
            assert target.heap_addresses().mheap


@pytest.mark.parametrize("is_stripped", [False, True], ids=["plain", "stripped"])
def test_go_in_a_c_program_is_located(is_stripped: bool) -> None:
    path = go_programs.build_host(VERSIONS[-1], is_stripped=is_stripped)
    with GoProgram(path, "25") as program, opened(program.pid) as target:
        assert target.heap_addresses().mheap


@pytest.mark.parametrize("version", VERSIONS)
def test_a_program_that_allocates_all_the_time_is_located(version: str, go_program: Callable[..., GoProgram]) -> None:
    program = go_program("churn", version=version)
    with opened(program.pid) as target:
        for _ in range(50):
            assert target.heap_addresses().mheap


EXPERIMENTS = (("1.25.5", "greenteagc", True), ("1.27.3", "nogreenteagc", True), ("1.27.3", "staticlockranking", False))


@pytest.mark.parametrize("build", ["plain", "stripped"])
@pytest.mark.parametrize(("version", "experiment", "is_told"), EXPERIMENTS)
def test_a_build_with_other_experiments_is_located_or_refused_by_name(
    version: str,
    experiment: str,
    is_told: bool,
    build: str,
    go_program: Callable[..., GoProgram],
) -> None:
    flags = {**BUILDS[build], "build_env": {"GOEXPERIMENT": experiment}}
    program = go_program("queued", str(COUNT), version=version, **flags)
    with opened(program.pid) as target:
        if not is_told and build == "stripped":  # its locks are larger, and no DWARF says so
            with pytest.raises(NotLocatedError, match=r"runtime\.mheap_ was not located"):
                target.heap_addresses()
            return
        heap, chain = target.heap_addresses(), cleanup_chain(target.runtime.layout)
        assert chain
        assert queued(target.runtime, heap.cleanups, chain) == pytest.approx(COUNT, abs=UNCERTAIN)


def test_dwarf_is_used_where_there_are_no_symbols(tmp_path: Path) -> None:
    path = tmp_path / "parked"
    data = go_programs.build("parked").read_bytes()
    assert data.count(b"\0.symtab\0") == 1
    path.write_bytes(data.replace(b"\0.symtab\0", b"\0.notsym\0"))
    path.chmod(0o755)
    with GoProgram(path, "20") as program, opened(program.pid) as target:
        assert target.heap_addresses().by == "DWARF"


def test_a_wrong_address_is_refused(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("queued", str(COUNT))
    with opened(program.pid) as target:
        good = by_instructions(target, go_programs.build("queued"))
        prove_heap(target.runtime, good)
        elsewhere = target.runtime.addresses.allgs  # it leads into the heap
        head = target.runtime.layout.offset("cleanupQueue", "all")
        for misled, variable in (
            (replace(good, mheap=(good.mheap[0] + 64, good.mheap[0] - 8, elsewhere)), "mheap_"),
            (replace(good, allfin=(elsewhere,)), "allfin"),
            (replace(good, cleanups=(elsewhere - head,)), "gcCleanups"),
        ):
            with pytest.raises(NotLocatedError, match=rf"runtime\.{variable} was not located"):
                prove_heap(target.runtime, misled)
