"""The probes are compiled once, by a process of its own; the agent has nothing of the compiler."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gosonde_agent
import pytest
from gosonde_agent.model.errors import NotPermittedError, ProbeError
from gosonde_agent.sources.ebpf import compiled_file, compiler_process, probe_text
from gosonde_agent.sources.ebpf.loading import (
    EXIT_PROGRAM_OFFSETS,
    MAPS,
    PROGRAMS,
    Probes,
    load_probes,
)
from gosonde_common.errors import UnavailableError

from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram


def kind_of(descriptor: int) -> str:
    """`anon_inode:bpf-map`, for example."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def probes() -> Iterator[Probes]:
    loaded = load_probes()
    yield loaded
    loaded.close()


@pytest.mark.usefixtures("ebpf")
def test_every_map_and_every_program_is_handed_over(probes: Probes) -> None:
    assert {kind_of(probes[name]) for name in MAPS} == {"anon_inode:bpf-map"}
    assert {kind_of(probes[name]) for name in PROGRAMS} == {"anon_inode:bpf-prog"}
    assert {f"on_exited_{offset}" for offset in EXIT_PROGRAM_OFFSETS} <= probes.descriptors.keys()


@pytest.mark.usefixtures("ebpf")
def test_no_other_program_that_is_started_inherits_them(probes: Probes) -> None:
    assert not any(os.get_inheritable(descriptor) for descriptor in probes.descriptors.values())


@pytest.mark.usefixtures("ebpf")
def test_closing_leaves_nothing_open() -> None:
    before = open_descriptors()
    load_probes().close()
    assert open_descriptors() == before


@pytest.mark.usefixtures("ebpf")
def test_an_agent_has_no_compiler_in_it(tmp_path: Path, go_program: Callable[..., GoProgram]) -> None:
    program = go_program("churn")
    executable = str(Path(f"/proc/{program.pid}/exe").readlink())
    (tmp_path / "agent.toml").write_text("")
    agent = AgentProcess(tmp_path, f"unix:{tmp_path}/collector.sock", executable, compiles=True)
    try:
        eventually(lambda: agent.counted(program.pid) >= 0)
        maps = Path(f"/proc/{agent.process.pid}/maps").read_text()
        assert "libbpf" in maps
        assert "LLVM" not in maps
        assert "clang" not in maps
    finally:
        agent.kill()


def test_nothing_is_imported_from_the_directory_in_which_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("bcc", "json", "socket", "gosonde_agent"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('imported by mistake')")
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(NotPermittedError):  # where eBPF cannot be used
        load_probes().close()


def test_without_bcc_the_error_names_the_distributions_package() -> None:
    # An isolated environment: .venv's libraries, but not the system's, where bcc is.
    own = Path(sys.prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    code = f"import site; site.addsitedir({str(own)!r}); from gosonde_cli.cli import main; main()"
    command = (Path(sys.base_prefix, "bin", "python3"), "-ISc", code, "trace", "--source", "ebpf", str(os.getpid()))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "python3-bpfcc" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("ebpf")
def test_source_that_the_compiler_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(Path(gosonde_agent.__file__).parent, tmp_path / "gosonde_agent")
    shutil.copytree(probe_text.probe_dir(), tmp_path / "gosonde_agent" / "probes")
    with (tmp_path / "gosonde_agent" / "probes" / probe_text.SOURCES[-1]).open("a") as source:
        source.write("int broken(\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ProbeError, match="refused"):
        load_probes()


def test_a_process_that_ends_without_a_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ProbeError, match="ended with status 1"):
        load_probes()


@pytest.mark.usefixtures("ebpf")
def test_a_second_start_needs_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_probes(tmp_path / "state")
    first.close()
    assert first.compiled_because == "none were kept"
    monkeypatch.setattr(sys, "executable", "/bin/false")
    second = load_probes(tmp_path / "state")
    second.close()
    assert not second.compiled_because
    assert second.descriptors.keys() == first.descriptors.keys()


@pytest.mark.usefixtures("ebpf")
def test_probes_that_were_kept_and_are_damaged_are_compiled_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    load_probes(tmp_path).close()
    kept = tmp_path / compiled_file.FILE_NAME
    whole = kept.read_bytes()
    kept.write_bytes(whole[:5_000] + b"\0" * 100 + whole[5_100:])
    again = load_probes(tmp_path)
    again.close()
    assert again.compiled_because == "the file is damaged"
    assert kept.read_bytes() == whole


@pytest.mark.usefixtures("ebpf")
def test_probes_that_were_kept_and_the_kernel_refuses_are_compiled_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    load_probes(tmp_path).close()
    sound = compiled_file.read(tmp_path, probe_text.key_of_host())
    # Its first instruction is its last, which says nothing of a result: no verifier takes it.
    broken = dataclasses.replace(sound.programs["on_exit"], code=bytes.fromhex("9500000000000000"), maps={})
    compiled_file.keep(
        tmp_path, probe_text.key_of_host(), dataclasses.replace(sound, programs={**sound.programs, "on_exit": broken})
    )
    before = open_descriptors()
    again = load_probes(tmp_path)
    again.close()
    assert "loading the probe on_exit" in again.compiled_because
    assert "verifier said" in again.compiled_because
    assert open_descriptors() == before
    assert compiled_file.read(tmp_path, probe_text.key_of_host()) == sound


@pytest.mark.usefixtures("ebpf")
def test_a_folder_that_cannot_be_written_costs_only_the_next_start_its_time() -> None:
    probes = load_probes(Path("/proc/self/nothing"))
    probes.close()
    assert probes.compiled_because
    assert probes.descriptors


def test_another_source_is_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = probe_text.key_of_host()
    shutil.copytree(probe_text.probe_dir(), tmp_path / "probes")
    with (tmp_path / "probes" / probe_text.SOURCES[-1]).open("a") as source:
        source.write("/* new */\n")
    monkeypatch.setattr(probe_text, "probe_dir", lambda: tmp_path / "probes")
    assert probe_text.key_of_host() != before


@pytest.mark.usefixtures("ebpf")
def test_an_agent_starts_where_the_compiler_gets_no_time_when_it_has_compiled_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler_process, "COMPILING_SECONDS", 0.001)
    with pytest.raises(UnavailableError, match="too busy"):
        load_probes(tmp_path / "state")
    monkeypatch.undo()
    load_probes(tmp_path / "state").close()
    monkeypatch.setattr(compiler_process, "COMPILING_SECONDS", 0.001)
    load_probes(tmp_path / "state").close()
