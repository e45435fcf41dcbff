"""The archives of images: for which architectures, how large, of what parts; those of arm64 run."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oci_archive import images, linked
from tests.paths import ROOT
from tests.podman import MARKS, Podman, in_folder

#: Of each image as it is sent, and unpacked.
MOST_BYTES = {"gosonde-agent": (100_000_000, 220_000_000), "gosonde-collector": (150_000_000, 290_000_000)}
ARCHITECTURES = ("amd64", "arm64")
pytestmark = MARKS


def archive(folder: Path, name: str) -> Path:
    (found,) = folder.glob(f"{name}_*.oci.tar")
    return found


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    store = tmp_path_factory.mktemp("podman")
    podman = Podman("podman", *in_folder(store))
    yield podman
    podman.forget()


@pytest.mark.parametrize("name", MOST_BYTES)
def test_an_image_is_for_both_architectures_and_small(built: Path, podman: Podman, name: str) -> None:
    most_sent, most_unpacked = MOST_BYTES[name]
    found = images(archive(built, name))
    assert set(found) == set(ARCHITECTURES)
    for architecture, (_, sent) in found.items():
        image = pulled(podman, archive(built, name), architecture)
        unpacked = podman.run("inspect", "--type=image", "--format={{.Size}}", image)
        assert sent < most_sent
        assert int(unpacked) < most_unpacked


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", MOST_BYTES)
def test_the_list_of_parts_of_an_image_has_debian_python_and_scripts(built: Path, name: str, architecture: str) -> None:
    parts = json.loads((built / f"{name}_{architecture}.cdx.json").read_text())
    assert parts["bomFormat"] == "CycloneDX"
    urls = {part["purl"].partition("@")[0] for part in parts["components"]}
    of_debian = {"pkg:deb/debian/libc6", "pkg:deb/debian/libbpf1"}
    assert {*of_debian, "pkg:pypi/grpcio", "pkg:pypi/gosonde", "pkg:npm/uplot"} <= urls
    assert "pkg:deb/debian/perl-base" not in urls


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", MOST_BYTES)
def test_an_image_has_every_library_that_its_programs_and_libraries_link_to(
    built: Path, name: str, architecture: str
) -> None:
    needed, present = linked(archive(built, name), architecture)
    assert {"libc.so.6", "libz.so.1", "libstdc++.so.6"} <= needed
    assert needed - present == set()


@pytest.mark.parametrize("name", MOST_BYTES)
def test_an_image_of_arm64_has_a_command_that_runs_and_a_doctor_that_sees_its_processor(
    built: Path, podman: Podman, name: str
) -> None:
    image = pulled(podman, archive(built, name), "arm64")
    run = ("run", "--rm", "--network=none", "--read-only", image)
    assert podman.run(*run, "--version").startswith("gosonde ")
    assert "findings" in podman.run(*run, "--help")
    checks = {check["name"]: check for check in json.loads(podman.run(*run, "doctor", "--json", check=False))["checks"]}
    assert checks["architecture"]["found"].startswith("aarch64")


def test_the_compiled_probes_of_an_image_of_arm64_are_those_of_its_processor(built: Path, podman: Podman) -> None:
    image = pulled(podman, archive(built, "gosonde-agent"), "arm64")
    read = (
        "import sys; sys.path.insert(0, '/usr/lib/gosonde-agent/lib/gosonde/python')\n"
        "from gosonde_agent.sources.ebpf import compiled_file, probe_text\n"
        "print(sorted(compiled_file.read(probe_text.probe_dir(), probe_text.key_of_package()).programs))"
    )
    run = ("run", "--rm", "--network=none", "--entrypoint=python3", image)
    assert "'on_created'" in podman.run(*run, "-c", read)


def test_an_image_that_is_built_again_is_the_same(built: Path, tmp_path: Path) -> None:
    subprocess.run((sys.executable, "-m", "scripts.images", tmp_path, "amd64"), check=True, cwd=ROOT)
    for name in MOST_BYTES:
        assert images(archive(tmp_path, name))["amd64"] == images(archive(built, name))["amd64"]


def pulled(podman: Podman, archive: Path, architecture: str) -> str:
    """The image of an architecture, by its id."""
    return podman.run("pull", "--quiet", f"--arch={architecture}", f"oci-archive:{archive}").strip()
