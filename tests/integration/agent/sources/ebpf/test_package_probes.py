"""The compiled probes of a package are loaded without a compiler, and only where they are what they must be."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.host.kernel import closes_probes_together
from gosonde_agent.model.errors import NotPermittedError
from gosonde_agent.sources.ebpf import compiled_file, loading, probe_text
from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.watch.monitor import Monitor

from tests import go_programs, package_probes
from tests.collector_process import GOSONDE
from tests.go_programs import GoProgram
from tests.integration.watching import Watch

pytestmark = pytest.mark.usefixtures("ebpf")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package's probes; this process loads from there, and cannot import bcc."""
    folder = package_probes.bring(tmp_path / "probes")
    without_bcc = tmp_path / "modules"
    without_bcc.mkdir()
    (without_bcc / "bcc.py").write_text(package_probes.NO_BCC)
    monkeypatch.setattr(probe_text, "probe_dir", lambda: folder)
    monkeypatch.syspath_prepend(without_bcc)
    return folder


@pytest.fixture
def package_beside_bcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = package_probes.bring(tmp_path / "probes")
    monkeypatch.setattr(probe_text, "probe_dir", lambda: folder)
    return folder


def spoil(folder: Path) -> None:
    """Has the file hold a program that no verifier takes: its only instruction says nothing of a result."""
    sound = compiled_file.read(folder, probe_text.key_of_package())
    broken = dataclasses.replace(sound.programs["on_exit"], code=bytes.fromhex("9500000000000000"), maps={})
    programs = {**sound.programs, "on_exit": broken}
    compiled_file.keep(folder, probe_text.key_of_package(), dataclasses.replace(sound, programs=programs))


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("together", sorted({False, closes_probes_together()}))
def test_without_bcc_every_goroutine_is_counted(go_program: Callable[..., GoProgram], together: bool) -> None:
    program = go_program("churn")
    probes = load_probes(together=together)
    monitor = Monitor(EbpfSource(probes), Selection(pids=frozenset({program.pid})))
    try:
        monitor.finder.watch(program.pid)
        program.ask("run 12345")
        watch = Watch(monitor)
        watch.observe()
        assert watch.counts(program.pid, "main.spawn") == (12_345, 12_345)
    finally:
        monitor.close()
    assert (probes.origin, probes.compiled_because) == ("package", "")


@pytest.mark.parametrize("namespace", [(), ("unshare", "--pid", "--fork", "--mount-proc")])
def test_without_bcc_a_trace_counts_in_whichever_pid_namespace_it_runs(
    tmp_path: Path, namespace: tuple[str, ...]
) -> None:
    environment = package_probes.install(tmp_path)
    options = ("--source", "ebpf", "--duration", "60", "--json")
    command = (*namespace, str(GOSONDE), "trace", *options, "--", str(go_programs.build("short")), "5000")
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, env=environment
    )
    document = json.loads(done.stdout.partition("\n")[2])  # behind what the program says
    (site,) = (site for site in document["sites"] if site["function"] == "main.spawn")
    assert (site["created"], site["exited"]) == (5_000, 5_000)


def test_a_package_without_bcc_is_ready(tmp_path: Path) -> None:
    environment = package_probes.install(tmp_path)
    done = subprocess.run((GOSONDE, "doctor", "--json"), capture_output=True, text=True, check=True, env=environment)
    (bcc,) = (check for check in json.loads(done.stdout)["checks"] if check["name"] == "bcc")
    assert (bcc["status"], bcc["found"]) == ("ok", "not needed: this package brings the compiled probes")


def test_probes_of_another_source_are_never_loaded(package_beside_bcc: Path) -> None:
    with (package_beside_bcc / "park.bpf.c").open("a") as source:
        source.write("/* newer than what was compiled */\n")
    probes = load_probes()
    probes.close()
    assert probes.origin == "compiled"
    assert probes.compiled_because.startswith("the package's: they were compiled for another")
    assert not loading.come_compiled()


def test_a_damaged_package_has_its_probes_compiled_and_kept(package_beside_bcc: Path, tmp_path: Path) -> None:
    file = package_beside_bcc / compiled_file.FILE_NAME
    file.write_bytes(file.read_bytes()[:-1_000])
    first, second = load_probes(tmp_path / "state"), load_probes(tmp_path / "state")
    first.close()
    second.close()
    assert (first.origin, first.compiled_because) == ("compiled", "the package's: the file is damaged; none were kept")
    assert (second.origin, second.compiled_because) == ("kept", "the package's: the file is damaged")


def test_a_package_that_others_can_write_is_not_believed(package_beside_bcc: Path) -> None:
    (package_beside_bcc / compiled_file.FILE_NAME).chmod(0o646)
    probes = load_probes()
    probes.close()
    assert probes.origin == "compiled"
    assert "the package's: the file can be written by others: mode 646" in probes.compiled_because


def test_probes_that_the_kernel_refuses_are_compiled_here(package_beside_bcc: Path) -> None:
    spoil(package_beside_bcc)
    probes = load_probes()
    probes.close()
    assert probes.origin == "compiled"
    assert "the package's: the kernel refuses the saved ones: loading the probe on_exit" in probes.compiled_because


def test_where_the_kernel_refuses_them_and_no_bcc_is_there_the_error_says_both(package: Path) -> None:
    spoil(package)
    with pytest.raises(NotPermittedError, match=r"loading the probe on_exit.*install.*python3-bpfcc"):
        load_probes()


@pytest.mark.usefixtures("package")
def test_no_process_is_started_for_compiled_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    load_probes().close()
