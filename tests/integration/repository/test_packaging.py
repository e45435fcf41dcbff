"""What is built and installed has everything in it that it needs."""

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.paths import ROOT

PACKAGES = {
    "gosonde": "client",
    "gosonde_agent": "agent",
    "gosonde_cli": "cli",
    "gosonde_collector": "collector",
    "gosonde_common": "common",
    "gosonde_pb": "proto",
}
#: Runs a tool as if .venv's scripts and the checkout were not there.
CLEAN = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built as pip builds it."""
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that has the client alone."""
    return built(ROOT / "client", tmp_path_factory.mktemp("client"))


def built(project: Path, folder: Path) -> Path:
    """The wheel of a project, in a folder."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(project))
    subprocess.run(pip, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a `make install DESTDIR=...`, with a configuration that the administrator changed since."""
    root = tmp_path_factory.mktemp("root")
    make(root, "install")
    (root / "etc/gosonde/agent.toml").write_text("park = true\n")
    return root


def make(root: Path, target: str) -> str:
    """What make says of a target, with files below `root`."""
    command = ("make", "--silent", "-C", str(ROOT), target, f"DESTDIR={root}")
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=CLEAN)
    return done.stdout + done.stderr


def files(folder: str) -> set[str]:
    """Paths of the files in a folder of the repository, relative to it, without what Python compiled."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT / folder)) for path in found}


def test_a_wheel_has_every_module_every_type_marker_and_every_probe(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package, folder in PACKAGES.items():
        assert f"{package}/py.typed" in names
        assert {f"{package}/{path}" for path in files(f"{folder}/{package}")} <= names
    probes = files("probes")
    assert any(path.endswith(".bpf.c") for path in probes)
    assert {f"gosonde_agent/probes/{path}" for path in probes} <= names


def test_a_wheel_has_the_licences(wheel: Path) -> None:
    names = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if "/licenses/" in name}
    assert {"LICENSE", "GPL-2.0-only.txt", "BSD-2-Clause.txt"} <= names


def requirements(wheel: Path) -> set[str]:
    """What a wheel always needs."""
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    rows = re.findall(r"^Requires-Dist: (.+)$", archive.read(metadata).decode(), re.MULTILINE)
    return {row for row in rows if "extra ==" not in row}


def test_the_clients_wheel_has_the_client_and_what_it_imports_and_no_more(client_wheel: Path, wheel: Path) -> None:
    names = set(zipfile.ZipFile(client_wheel).namelist())
    packages = ("gosonde", "gosonde_common", "gosonde_pb")
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == set(packages)
    for package in packages:
        assert {f"{package}/{path}" for path in files(f"{PACKAGES[package]}/{package}")} <= names
    assert {name.rpartition("/")[2] for name in names if "/licenses/" in name} == {"LICENSE"}
    needed = requirements(client_wheel)
    assert {re.split(r"[<>=~]", row)[0] for row in needed} == {"grpcio", "protobuf"}
    assert needed < requirements(wheel)


def test_the_clients_wheel_needs_nothing_but_grpc_and_protobuf(client_wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(client_wheel).extractall(tmp_path / "client")
    needed = tmp_path / "needed"
    needed.mkdir()
    for package in ("grpc", "google", "typing_extensions.py"):  # the last is gRPC's
        (needed / package).symlink_to(Path(sysconfig.get_path("platlib")) / package)
    code = f"""
import sys
sys.path[:0] = {[str(tmp_path / "client"), str(needed)]!r}
from gosonde import *
from gosonde.observed import *
import gosonde
with CollectorClient("127.0.0.1:9") as client:
    try:
        client.processes()
    except UnavailableError as error:
        print(gosonde.__file__, error)
"""
    command = (sys.executable, "-I", "-S", "-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path}/client/gosonde/__init__.py the collector at 127.0.0.1:9 does not answer")


def test_an_installed_wheel_finds_its_own_probes(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from gosonde_agent.sources.ebpf.probe_text import probe_dir, source
print(probe_dir())
assert source()
"""
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True, cwd=tmp_path)
    assert Path(done.stdout.strip()) == tmp_path / "gosonde_agent" / "probes"


@pytest.mark.parametrize("subcommand", ["agent", "collector", "findings"])
def test_the_installed_command_runs_anywhere(installed: Path, subcommand: str) -> None:
    command = (installed / "usr/local/bin/gosonde", subcommand, "--help")
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=CLEAN, cwd="/")
    assert f"gosonde {subcommand}" in done.stdout


def test_the_installed_command_uses_the_systems_python_and_its_own_libraries(installed: Path) -> None:
    code = f"""
import runpy, sys
sys.argv[1:] = ["--help"]
try:
    runpy.run_path({str(installed / "usr/local/bin/gosonde")!r})
except SystemExit:
    import gosonde, gosonde_agent, gosonde_collector, gosonde_pb, capstone, duckdb
    print(*(module.__file__ for module in (gosonde, gosonde_agent, gosonde_collector, gosonde_pb, capstone, duckdb)))
"""
    command = ("/usr/bin/python3", "-sPc", code)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=CLEAN, cwd="/")
    libraries = installed / "usr/local/lib/gosonde/python"
    assert all(Path(path).is_relative_to(libraries) for path in done.stdout.splitlines()[-1].split())


def test_installed_units_start_the_installed_command_with_the_installed_configuration(installed: Path) -> None:
    for service in ("agent", "collector"):
        unit = (installed / f"usr/local/lib/systemd/system/gosonde-{service}.service").read_text()
        start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
        command, *arguments = start.removeprefix("ExecStart=").split()
        assert os.access(installed / command.lstrip("/"), os.X_OK)
        helper = ["--helper", "unix:/run/gosonde-helper.sock"] if service == "agent" else []
        assert arguments == [service, "--config", f"/etc/gosonde/{service}.toml", *helper]
        assert (installed / arguments[2].lstrip("/")).exists()


def test_manual_pages_are_installed_that_man_shows_without_a_warning(installed: Path) -> None:
    pages = sorted((installed / "usr/local/share/man/man1").iterdir())
    assert {"gosonde.1", "gosonde-trace.1", "gosonde-store-salvage.1"} <= {page.name for page in pages}
    for page in pages:
        done = subprocess.run(("groff", "-man", "-Tutf8", "-ww", str(page)), capture_output=True, text=True, check=True)
        assert done.stderr == ""


def test_bash_completes_words_with_what_is_installed(installed: Path) -> None:
    script = installed / "usr/local/share/bash-completion/completions/gosonde"
    line = f"""
PATH={installed}/usr/local/bin:$PATH; source {script}
COMP_WORDS=(gosonde trace --so); COMP_CWORD=2; _gosonde_completion gosonde; echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(("bash", "-c", line), capture_output=True, text=True, check=True, env=CLEAN)
    assert done.stdout == "--source --sort\n"


def test_no_installed_file_names_the_folder_that_it_was_installed_through(installed: Path) -> None:
    naming = [path for path in installed.rglob("*") if path.is_file() and str(installed).encode() in path.read_bytes()]
    assert naming == []


def test_a_changed_configuration_survives_both_a_new_installation_and_the_uninstallation(installed: Path) -> None:
    changed = installed / "etc/gosonde/agent.toml"
    assert "agent.toml, which was changed; the new example is" in make(installed, "install")
    assert changed.read_text() == "park = true\n"
    assert "agent.toml, which was changed" in make(installed, "uninstall")
    assert [path for path in installed.rglob("*") if path.is_file()] == [changed]
