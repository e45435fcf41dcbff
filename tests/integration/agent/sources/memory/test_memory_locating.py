"""Every variable of the runtime is found in every build, at the place where the linker put it, or refused."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.golang import buildinfo
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.layouts import layout_of
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.sources.memory import candidates
from gosonde_agent.sources.memory.candidates import Candidates
from gosonde_agent.sources.memory.errors import NotLocatedError
from gosonde_agent.sources.memory.proof import Prover
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.target import opened

from tests import go_programs
from tests.go_programs import GoProgram, site_line
from tests.versions import VERSIONS

BUILDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stripped": {"ldflags": ("-s", "-w")},
    "stripped-pie": {"ldflags": ("-s", "-w"), "buildmode": "pie"},
}

#: runtime.allgadd hands the type of a list's elements on, and a type begins with its size.
SIZE_OF_A_POINTER = 8


@contextlib.contextmanager
def image_of(path: Path) -> Iterator[tuple[ElfImage, int, Pclntab]]:
    """A file's image, its descriptor and its pclntab."""
    with path.open("rb") as file:
        image = ElfImage(file.fileno())
        version = buildinfo.parse_version(buildinfo.read_version_string(image))
        yield image, file.fileno(), Pclntab(image, layout_of(version))


def searched(path: Path, *, by: str) -> Candidates:
    """The candidates in a file that carries symbols and DWARF, when only one kind of evidence is used."""
    with image_of(path) as (image, fd, pclntab):
        layout = layout_of(buildinfo.parse_version(buildinfo.read_version_string(image)))
        if by == "instructions":
            return candidates.from_instructions(image, pclntab, layout)
        return candidates.find(image, fd, pclntab, layout)


@pytest.mark.parametrize("version", VERSIONS)
def test_instructions_lead_to_where_the_symbols_are(version: str, go_program: Callable[..., GoProgram]) -> None:
    program = go_program("parked", "20", version=version)
    program.ask("gc 2")
    path = go_programs.build("parked", version)
    with opened(program.pid) as target:
        by_symbol = target.runtime.addresses
        found = Prover(target.runtime.memory, target.runtime.bias, target.runtime.layout).prove(
            searched(path, by="instructions")
        )
    assert by_symbol.by == "symbols"
    for name in ("allgs", "allglen", "allp", "sched", "memstats", "controller", "t_end", "init_time", "wait_reasons"):
        assert getattr(found, name) == getattr(by_symbol, name), name


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_size_of_a_type_is_not_taken_for_as_many_goroutines(
    version: str, build: str, go_program: Callable[..., GoProgram]
) -> None:
    flags = BUILDS[build]
    found = searched(go_programs.build("parked", version, **flags), by="instructions")
    program = go_program("parked", "20", version=version, **flags)
    with opened(program.pid) as target:
        assert target.runtime.addresses.allglen in found.allglen
        assert [at for at in found.allglen if target.runtime.number(at) == SIZE_OF_A_POINTER] == []


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_build_is_read(version: str, build: str, go_program: Callable[..., GoProgram]) -> None:
    program = go_program("parked", "20", version=version, **BUILDS[build])
    program.ask("gc 2")
    with opened(program.pid) as target:
        addresses = target.runtime.addresses
        assert addresses.by == ("symbols" if build == "plain" else "instructions")
        assert addresses.t_end
        assert addresses.init_time
        assert sum(g.start_function == "main.idle" for g in target.goroutines()) == 20
        assert target.gc().cycles == 2
        assert "IO wait" in target.wait_reasons()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_build_with_cgo_and_another_linker_is_read(version: str) -> None:
    flags: dict[str, Any] = {"ldflags": ("-s", "-w", "-linkmode=external"), "buildmode": "pie"}
    path = go_programs.build("leak", version, env={"CGO_ENABLED": "1"}, **flags)
    with GoProgram(path, "200") as program, opened(program.pid) as target:
        assert target.runtime.addresses.by == "instructions"
        lines = [goroutine.created_by.line for goroutine in target.goroutines()]
    assert lines.count(site_line("leak", "tick")) == 1


def test_dwarf_is_used_where_there_are_no_symbols(tmp_path: Path) -> None:
    path = Path(shutil.copy(go_programs.build("parked"), tmp_path / "parked"))
    data = path.read_bytes()
    assert data.count(b"\0.symtab\0") == 1
    path.write_bytes(data.replace(b"\0.symtab\0", b"\0.notsym\0"))
    with GoProgram(path, "20") as program, opened(program.pid) as target:
        assert target.runtime.addresses.by == "DWARF"
        assert sum(g.start_function == "main.idle" for g in target.goroutines()) == 20


def test_a_wrong_address_is_refused(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("parked", "20")
    good = searched(go_programs.build("parked"), by="symbols")
    layout = layout_of(buildinfo.parse_version("go1.27.3"))
    with ProcessMemory(program.pid) as memory:
        prover = Prover(memory, 0, layout)
        prover.prove(good)
        for name in ("allgs", "allglen"):
            with pytest.raises(NotLocatedError, match=rf"runtime\.{name} was not located"):
                prover.prove(misled(good, name))
        for name in ("allp", "sched", "memstats", "gcController"):
            addresses = prover.prove(misled(good, name.removeprefix("gc").lower()))
            with pytest.raises(NotLocatedError, match=rf"runtime\.{name} was not located"):
                addresses.require(name)
            assert addresses.allgs == good.allgs[0]


def misled(good: Candidates, name: str) -> Candidates:
    """The same, but that one variable is looked for beside where it is."""
    (address,) = getattr(good, name)
    values = {field: getattr(good, field) for field in good.__slots__}
    return Candidates(**{**values, name: (address + 64, address - 8)})


EXPERIMENTS = (("1.25.5", "greenteagc"), ("1.27.3", "nogreenteagc"), ("1.27.3", "staticlockranking"))


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(("version", "experiment"), EXPERIMENTS)
def test_a_build_with_other_experiments_is_read(
    version: str, experiment: str, build: str, go_program: Callable[..., GoProgram]
) -> None:
    program = go_program("parked", "20", version=version, **built_with(experiment, build))
    program.ask("gc 2")
    with opened(program.pid) as target:
        assert sum(g.start_function == "main.idle" for g in target.goroutines()) == 20
        assert target.gc().cycles == 2
        if "sched" in target.runtime.addresses.unproved:  # its locks are larger, and no DWARF says so
            assert experiment == "staticlockranking"
            assert build != "plain"
            return
        before = target.totals()
        program.ask("more 30")
        after = target.totals()
    assert (after.created - before.created, after.live - before.live) == (30, 30)


def built_with(experiment: str, build: str) -> dict[str, Any]:
    """What makes `go_program` build with an experiment; the runtime's goroutines do not come and go meanwhile."""
    return {**BUILDS[build], "build_env": {"GOEXPERIMENT": experiment}}


@pytest.mark.parametrize("is_stripped", [False, True], ids=["plain", "stripped"])
@pytest.mark.parametrize("version", VERSIONS)
def test_go_in_a_c_program_is_read_though_its_first_goroutine_is_not_the_first_in_the_list(
    version: str, is_stripped: bool
) -> None:
    path = go_programs.build_host(version, is_stripped=is_stripped)
    with GoProgram(path, "25") as program, opened(program.pid) as target:
        assert sum(g.start_function == "main.idle" for g in target.goroutines()) == 25
        program.ask("more 5")
        assert sum(g.start_function == "main.idle" for g in target.goroutines()) == 30
        assert not target.runtime.addresses.unproved
