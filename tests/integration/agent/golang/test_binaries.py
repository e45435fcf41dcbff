"""Binaries of every kind: those that are refused say why, those of unknown versions prove themselves."""

import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.golang import binary, buildinfo, symtab
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.model.errors import NotGoError, UnprovedProbePointError, UnsupportedBinaryError
from gosonde_agent.sources.memory.target import opened

from tests import go_programs, real_binaries
from tests.go_programs import GoProgram, site_line
from tests.integration.watching import watching
from tests.versions import OLDEST_MIDDLE_NEWEST

NEWEST = OLDEST_MIDDLE_NEWEST[-1]
STRIPPED = ("-s", "-w")


def load(path: Path) -> GoBinary:
    fd = os.open(path, os.O_RDONLY)
    try:
        return binary.load(fd, str(path))
    finally:
        os.close(fd)


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Path, dict[bytes, bytes]], Path]:
    """Copies a program with every occurrence of some bytes replaced by as many others."""

    def change(source: Path, replacements: dict[bytes, bytes]) -> Path:
        data = source.read_bytes()
        for old, new in replacements.items():
            assert len(old) == len(new)
            assert old in data
            data = data.replace(old, new)
        target = tmp_path / "changed"
        target.write_bytes(data)
        target.chmod(0o755)
        return target

    return change


def as_version(version: str, other: str) -> dict[bytes, bytes]:
    """What makes build info name another version (as the linker writes it: length, then text)."""
    old, new = f"go{version}".encode(), f"go{other}".encode()
    return {bytes((len(old),)) + old: bytes((len(new),)) + new}


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("ldflags", [(), STRIPPED], ids=["DWARF", "stripped"])
def test_a_version_newer_than_known_is_watched_when_the_program_proves_its_layout(
    ldflags: tuple[str, ...], changed: Callable[..., Path]
) -> None:
    program = changed(go_programs.build("churn", NEWEST, ldflags=ldflags), as_version(NEWEST, "1.99.3"))
    known = load(program)
    assert known.layout.source == ("DWARF" if not ldflags else "code")
    assert known.layout.gopc == load(go_programs.build("churn", NEWEST)).layout.gopc
    with watching(exe=str(program)) as watch, GoProgram(program) as running:
        watch.observe()
        running.ask("run 4321")
        watch.observe()
        assert watch.counts(running.pid, "main.spawn", site_line("churn", "spawn")) == (4_321, 4_321)


def test_a_version_newer_than_known_is_refused_by_name_when_nothing_proves_its_layout(
    changed: Callable[..., Path],
) -> None:
    source = go_programs.build("churn", NEWEST, ldflags=STRIPPED)
    known = load(source)
    gopc = struct.pack("<I", known.layout.gopc)
    code = code_of(source, "runtime.newproc1")
    assert gopc in code
    program = changed(source, as_version(NEWEST, "1.99.3") | {code: code.replace(gopc, struct.pack("<I", 8))})
    with pytest.raises(UnsupportedBinaryError, match=r"go1\.99\.3 is newer than this gosonde supports .*1\.19.*1\.27"):
        load(program)


def code_of(path: Path, name: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        image = ElfImage(fd)
        function = load(path).pclntab.find(name)
        assert function is not None
        return image.read(function.entry, function.end - function.entry)
    finally:
        os.close(fd)


def test_a_program_whose_code_contradicts_its_version_is_refused(changed: Callable[..., Path]) -> None:
    program = changed(go_programs.build("churn", "1.27.3"), as_version("1.27.3", "1.25.5"))
    with pytest.raises(UnsupportedBinaryError, match=r"keeps g\.gopc at offset 288, but go1\.25\.5 has it at 280"):
        load(program)


@pytest.mark.parametrize(("built", "named"), [(NEWEST, "1.27.2"), ("1.24.11", "1.24.12"), ("1.19.8", "1.18.8")])
@pytest.mark.parametrize("ldflags", [(), STRIPPED], ids=["DWARF", "stripped"])
def test_a_release_between_those_of_the_table_is_known_from_its_own_dwarf_or_from_its_neighbours(
    ldflags: tuple[str, ...], built: str, named: str, changed: Callable[..., Path]
) -> None:
    known = load(changed(go_programs.build("churn", built, ldflags=ldflags), as_version(built, named)))
    neighbour = {"1.27.2": "go1.27.3", "1.24.12": "go1.24.11", "1.18.8": "go1.18"}[named]
    assert known.layout.source == (neighbour if ldflags else "DWARF")
    world = {"stopped", "started", "mark_termination"}
    assert set(known.points) == world | {"created", "exited", "parked", "status_changed"}


def test_memory_is_laid_out_as_the_dwarf_of_a_version_that_is_newer_than_known_says(
    changed: Callable[..., Path],
) -> None:
    program = changed(go_programs.build("churn", NEWEST), as_version(NEWEST, "1.99.3"))
    with GoProgram(program) as running, opened(running.pid) as target:
        assert target.runtime.layout.source == "DWARF"
        functions = {goroutine.created_by.function for goroutine in target.goroutines() if goroutine.created_by}
        assert "runtime.gcenable" in functions
        assert target.totals().live > 0


def test_a_go_that_is_too_old_is_refused_with_what_to_do(changed: Callable[..., Path]) -> None:
    program = changed(go_programs.build("churn", "1.19.8"), as_version("1.19.8", "1.16.8"))
    with pytest.raises(UnsupportedBinaryError, match=r"go1\.16\.8 is not supported .*rebuild it with a newer Go"):
        load(program)


def test_a_symbol_table_that_contradicts_the_pclntab_is_refused(changed: Callable[..., Path]) -> None:
    source = go_programs.build("churn")
    function = load(source).pclntab.find("runtime.newproc1")
    assert function is not None
    in_table = struct.pack("<Q", function.entry)
    offset = symbol_offset(source, in_table)
    program = changed(source, {})
    with program.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack("<Q", function.entry + 16))
    with pytest.raises(UnsupportedBinaryError, match=r"its symbol table has .*they contradict each other"):
        load(program)


def symbol_offset(path: Path, value: bytes) -> int:
    """Where in the file .symtab has a value."""
    fd = os.open(path, os.O_RDONLY)
    try:
        section = ElfImage(fd).sections[".symtab"]
    finally:
        os.close(fd)
    return section.offset + path.read_bytes()[section.offset : section.offset + section.size].index(value)


def packed(program: bytes) -> bytes:
    """A program as UPX leaves it: headers, l_info with its magic, compressed bytes, and no sections."""
    compressed = zlib.compress(program, 1)
    header_size = 64 + 2 * 56
    magic = struct.pack("<I4sHBB", 0, b"UPX!", 2_048, 13, 22)
    body = magic + compressed
    size = header_size + len(body)
    header = program[:40] + struct.pack("<QIHHHHHH", 0, 0, 64, 56, 2, 64, 0, 0)
    code = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x10000, 0x10000, size, size, 0x1000)
    room = struct.pack("<IIQQQQQQ", 1, 6, 0, 0x400000, 0x400000, 0, len(program), 0x1000)
    return header[:32] + struct.pack("<Q", 64) + header[40:] + code + room + body


def test_a_packed_program_is_refused_with_what_to_do(tmp_path: Path) -> None:
    program = tmp_path / "packed"
    program.write_bytes(packed(go_programs.build("churn").read_bytes()))
    with pytest.raises(UnsupportedBinaryError, match=r"packed with UPX.*unpack it"):
        load(program)


@pytest.mark.usefixtures("ebpf")
def test_a_running_program_that_upx_has_packed_is_refused_as_one(tmp_path: Path) -> None:
    packed = Path(shutil.copy(go_programs.build("churn", ldflags=STRIPPED), tmp_path / "packed"))
    subprocess.run([str(real_binaries.upx()), "-q", "-1", str(packed)], check=True, stdout=subprocess.DEVNULL)
    with GoProgram(packed) as program, watching(exe=str(packed)) as watch:
        watch.observe()
        assert "packed with UPX" in watch.process(program.pid).refusal
        with pytest.raises(UnsupportedBinaryError, match=r"packed with UPX.*unpack it"), opened(program.pid):
            pytest.fail("was read")


@pytest.mark.usefixtures("ebpf")
def test_a_running_program_is_refused_as_packed_though_its_packer_s_mark_was_taken_out(tmp_path: Path) -> None:
    packed = Path(shutil.copy(go_programs.build("churn", ldflags=STRIPPED), tmp_path / "packed"))
    subprocess.run([str(real_binaries.upx()), "-q", "-1", str(packed)], check=True, stdout=subprocess.DEVNULL)
    packed.write_bytes(packed.read_bytes().replace(b"UPX!", b"ZZZ!").replace(b"UPX", b"ZZZ"))
    with GoProgram(packed) as program, watching(exe=str(packed)) as watch:
        watch.observe()
        assert "packed with UPX without its mark" in watch.process(program.pid).refusal


def test_a_program_whose_functions_have_other_names_is_refused(changed: Callable[..., Path]) -> None:
    program = changed(go_programs.build("churn", ldflags=STRIPPED), {b"runtime.newproc1\0": b"rvntime.newproc1\0"})
    with pytest.raises(UnprovedProbePointError, match=r"no function runtime\.newproc1, .*obfuscated"):
        load(program)


def test_a_program_whose_pclntab_has_another_magic_is_refused(changed: Callable[..., Path]) -> None:
    header = bytes.fromhex("f1ffffff00000108")
    program = changed(go_programs.build("churn"), {header: b"\x17\x23\x42" + header[3:]})
    with pytest.raises(UnsupportedBinaryError, match=r"it has no pclntab: .*packed.*obfuscated"):
        load(program)


def test_what_is_no_go_program_is_told_apart_from_what_is_refused() -> None:
    with pytest.raises(NotGoError):
        load(Path("/bin/true").resolve())


BUILD_INFO = {b"\xff Go buildinf:": bytes(14)}


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("ldflags", [(), STRIPPED], ids=["DWARF", "stripped"])
@pytest.mark.parametrize("version", OLDEST_MIDDLE_NEWEST)
def test_a_program_without_build_info_is_watched_and_read(
    version: str, ldflags: tuple[str, ...], changed: Callable[..., Path]
) -> None:
    program = changed(go_programs.build("churn", version, ldflags=ldflags), BUILD_INFO)
    assert buildinfo.parse_version(load(program).go_version) == buildinfo.parse_version(f"go{version}")
    with GoProgram(program) as running, watching(pid=running.pid) as watch:
        watch.observe()
        running.ask("run 4321")
        watch.observe()
        assert watch.counts(running.pid, "main.spawn", site_line("churn", "spawn")) == (4_321, 4_321)
        with opened(running.pid) as target:
            assert "main.main" in {frame.function for one in target.goroutines() for frame in one.stack}


@pytest.mark.parametrize("build", ["pie", "arm64"])
def test_the_version_is_found_without_build_info_where_it_is_relocated_and_on_arm64(
    build: str, changed: Callable[..., Path]
) -> None:
    flags = {"buildmode": "pie"} if build == "pie" else {"env": {"GOARCH": "arm64"}}
    assert load(changed(go_programs.build("churn", ldflags=STRIPPED, **flags), BUILD_INFO)).go_version == f"go{NEWEST}"


def test_an_esbuild_of_today_which_has_no_build_info_and_no_build_id_is_known() -> None:
    known = load(real_binaries.npm("@esbuild/linux-x64", "0.28.2") / "bin" / "esbuild")
    assert known.go_version == "go1.26.5"
    assert known.build_id.startswith("sha256:")
    assert "created" in known.points


def test_a_go_program_that_says_its_version_nowhere_is_refused_as_one(changed: Callable[..., Path]) -> None:
    source = go_programs.build("churn", ldflags=STRIPPED)
    nameless = {b"runtime.schedinit\0": b"runtime.scheduled\0"}
    for program in (changed(source, BUILD_INFO | nameless), changed(source, BUILD_INFO | {b"go1.27.3": b"unknown "})):
        with pytest.raises(UnsupportedBinaryError, match="a Go binary whose version is not known") as refused:
            load(program)
        assert not isinstance(refused.value, NotGoError)


def test_a_program_whose_version_was_taken_out_is_refused_as_one_that_does_not_tell_it() -> None:
    program = go_programs.build("churn", ldflags=(*STRIPPED, "-X=runtime.buildVersion=unknown"))
    with pytest.raises(UnsupportedBinaryError, match=r"a Go binary whose version is not known: .*'unknown'.*garble"):
        load(program)


@pytest.mark.usefixtures("ebpf")
def test_the_goroutines_of_go_in_a_c_program_are_counted_those_that_were_born_before_too() -> None:
    with GoProgram(go_programs.build_host(), "25") as program, watching(pid=program.pid) as watch:
        watch.monitor.readings.read_due()
        program.ask("more 17")
        watch.observe()
        (row,) = [row for row in watch.sites.values() if row.site.line == site_line("library", "idle")]
        assert (row.baseline, row.created, row.live) == (25, 17, 42)


@pytest.mark.parametrize("found_by", ["section", "scan"])
def test_the_pclntab_is_found_without_its_section(found_by: str, changed: Callable[..., Path]) -> None:
    hidden = {b".gopclntab\0": b".gopclntax\0"} if found_by == "scan" else {}
    known = load(changed(go_programs.build("churn"), hidden))
    assert known.pclntab.header.found_by == ("scan" if hidden else ".gopclntab")
    assert known.points


def test_descriptors_are_given_back_with_the_binary() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    known = load(go_programs.build("churn"))
    assert known.pclntab.find("main.main") is not None
    del known
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_file_is_read_through_a_descriptor_of_its_own(tmp_path: Path) -> None:
    copy = tmp_path / "churn"
    shutil.copy(go_programs.build("churn"), copy)
    known = load(copy)
    copy.unlink()
    main = known.pclntab.find("main.main")
    assert main is not None
    assert known.pclntab.frames_of(main.entry)[-1].function == "main.main"


def test_symbols_are_compared_for_every_function_that_gets_a_probe() -> None:
    known = load(go_programs.build("churn"))
    fd = os.open(go_programs.build("churn"), os.O_RDONLY)
    try:
        functions = {point.function: point.vaddr - point.offset for point in known.points.values()}
        assert symtab.addresses(ElfImage(fd), functions) == functions
    finally:
        os.close(fd)
