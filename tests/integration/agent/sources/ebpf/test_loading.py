"""The probes are compiled by a process of its own, and the agent has nothing of the compiler."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gosonde_agent
import pytest
from gosonde_agent.model.errors import NotPermittedError, ProbeError
from gosonde_agent.sources.ebpf import compiling
from gosonde_agent.sources.ebpf.loading import (
    EXIT_PROGRAM_OFFSETS,
    MAPS,
    PROGRAMS,
    Probes,
    load_probes,
)

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
    agent = AgentProcess(tmp_path, f"unix:{tmp_path}/collector.sock", executable)
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
    command = (Path(sys.base_prefix, "bin", "python3"), "-ISc", code, "trace", "--pid", str(os.getpid()))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "python3-bpfcc" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("ebpf")
def test_source_that_the_compiler_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(Path(gosonde_agent.__file__).parent, tmp_path / "gosonde_agent")
    shutil.copytree(compiling.probe_dir(), tmp_path / "gosonde_agent" / "probes")
    with (tmp_path / "gosonde_agent" / "probes" / "park.bpf.c").open("a") as source:
        source.write("int broken(\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ProbeError, match="refused"):
        load_probes()


def test_a_process_that_ends_without_a_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ProbeError, match="ended with status 1"):
        load_probes()
