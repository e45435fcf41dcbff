"""What is in the Debian packages, and that equal sources make equal ones."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests import built_packages
from tests.built_packages import NAMES
from tests.paths import ROOT

RELEASE = "deb12"
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def folder(packages_of: Callable[[str], Path]) -> Path:
    """Both packages for one release."""
    return packages_of(RELEASE)


def listed(package: Path) -> Sequence[tuple[str, str, str]]:
    """Mode, owner and path of all that a package has."""
    command = ("dpkg-deb", "--contents", package)
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [(fields[0], fields[1], fields[5]) for fields in (line.split(maxsplit=5) for line in lines)]


def field(package: Path, name: str) -> str:
    command = ("dpkg-deb", "--field", package, name)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.mark.minutes
def test_equal_sources_make_equal_bytes(folder: Path, tmp_path: Path) -> None:
    built_packages.build(tmp_path, RELEASE)
    for name in NAMES:
        package = built_packages.find(folder, name)
        assert (tmp_path / package.name).read_bytes() == package.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_all_files_are_roots_and_the_command_alone_can_be_run(folder: Path, name: str) -> None:
    for mode, owner, path in listed(built_packages.find(folder, name)):
        assert owner == "root/root", path
        of_file = "-rwxr-xr-x" if path == f"./usr/lib/{name}/bin/gosonde" else "-rw-r--r--"
        assert mode == ("drwxr-xr-x" if path.endswith("/") else of_file), path


@pytest.mark.parametrize("name", NAMES)
def test_a_package_has_its_service_and_nothing_of_the_other_ones(folder: Path, name: str) -> None:
    paths = {path for _, _, path in listed(built_packages.find(folder, name))}
    service = name.removeprefix("gosonde-")
    for path in (
        f"usr/lib/systemd/system/{name}.service",
        f"usr/lib/sysusers.d/{name}.conf",
        f"usr/lib/tmpfiles.d/{name}.conf",
        f"etc/gosonde/{service}.toml",
        f"usr/lib/{name}/bin/gosonde",
        f"usr/lib/{name}/lib/gosonde/python/gosonde_agent/probes/probes.compiled",
        f"usr/lib/{name}/share/man/man1/gosonde-trace.1.gz",
        f"usr/share/doc/{name}/copyright",
        f"usr/share/doc/{name}/changelog.Debian.gz",
        f"usr/share/doc/{name}/changelog.gz",
        f"usr/share/doc/{name}/GPL-2.0-only.txt",
    ):
        assert f"./{path}" in paths
    others = {path for path in paths if any(other in path.split("/") for other in {*NAMES} - {name})}
    assert others == set()


@pytest.mark.parametrize("name", NAMES)
def test_no_file_was_compiled_or_names_the_folder_that_it_was_built_in(folder: Path, name: str, tmp_path: Path) -> None:
    subprocess.run(("dpkg-deb", "-R", built_packages.find(folder, name), tmp_path), check=True)
    for path in tmp_path.rglob("*"):
        assert path.suffix != ".pyc"
        assert not path.is_file() or str(ROOT).encode() not in path.read_bytes(), path
        assert not path.is_file() or b"@PACKAGE@" not in path.read_bytes(), path


@pytest.mark.parametrize("name", NAMES)
def test_the_control_file_asks_for_the_python_that_the_modules_were_compiled_for(folder: Path, name: str) -> None:
    package = built_packages.find(folder, name)
    assert field(package, "Depends").startswith("python3 (>= 3.11), python3 (<< 3.12), ")
    assert ("libbpf1" in field(package, "Depends")) == (name == "gosonde-agent")
    assert "bpfcc" not in field(package, "Depends")
    compiled = {found for _, _, path in listed(package) for found in re.findall(r"\.cpython-(\d+)-", path)}
    assert compiled == {"311"}


@pytest.mark.parametrize("name", NAMES)
def test_the_maintainer_scripts_are_valid_for_the_shell_that_runs_them(folder: Path, name: str, tmp_path: Path) -> None:
    subprocess.run(("dpkg-deb", "--control", built_packages.find(folder, name), tmp_path), check=True)
    for script in ("postinst", "prerm", "postrm"):
        subprocess.run(("dash", "-n", tmp_path / script), check=True)
        assert not re.search("@[A-Z]+@", (tmp_path / script).read_text())
    assert (tmp_path / "conffiles").read_text() == f"/etc/gosonde/{name.removeprefix('gosonde-')}.toml\n"
