"""The container images run as docs/install.md says, and find a leak in another one: `make test-images`."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import go_programs, seccomp_filters
from tests.booted_system import eventually
from tests.paths import ROOT

#: As it is sent, and unpacked.
MOST_BYTES = {"gosonde-agent": (100_000_000, 250_000_000), "gosonde-collector": (150_000_000, 290_000_000)}
TOOLS = ("buildah", "mmdebstrap", "podman", "runc")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]
#: Not every host that runs tests may raise them to podman's defaults.
LIMITS = ("--ulimit=nofile=16384:16384", "--ulimit=nproc=4096:4096")
CAPABILITIES = {"DAC_READ_SEARCH": 2, "SYS_PTRACE": 19, "LEASE": 28, "PERFMON": 38, "BPF": 39}
LEAKS_A_SECOND = "10"
#: The agent watches programs with this label alone, whatever else the host runs.
LABEL = f"images={os.getpid()}"
pytestmark = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can build a root of Debian"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.minutes,
    pytest.mark.timeout(3600),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the images."""
    folder = tmp_path_factory.mktemp("images")
    subprocess.run((sys.executable, "-m", "scripts.images", folder), check=True, cwd=ROOT)
    return folder


class Podman:
    """Runs podman with a store of its own, which goes at the end."""

    def __init__(self, folder: Path) -> None:
        self._own = ("podman", "--root", folder / "storage", "--runroot", folder / "run", "--runtime", "runc")

    def command(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        """The command line; `run` gets limits that every host allows."""
        limits = LIMITS if arguments[0] == "run" else ()
        return (*self._own, arguments[0], *limits, *arguments[1:])

    def run(self, *arguments: str | Path, check: bool = True) -> str:
        """What it prints."""
        done = subprocess.run(self.command(*arguments), check=False, cwd=ROOT, text=True, capture_output=True)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout


def documented() -> Iterator[list[str]]:
    """The commands of docs/install.md that run the containers, without `sudo podman`."""
    for line in re.findall(r"^sudo podman (run .*)$", (ROOT / "docs/install.md").read_text(), re.MULTILINE):
        yield shlex.split(line)


@pytest.fixture(scope="module")
def podman(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """With both containers started as documented."""
    podman = Podman(tmp_path_factory.mktemp("podman"))
    for archive in built.glob("*.oci.tar"):
        podman.run("load", "--quiet", "--input", archive)
    with ExitStack() as stack:
        stack.callback(podman.run, "system", "reset", "--force", check=False)
        stack.callback(podman.run, "rm", "--all", "--force", "--time=15", check=False)
        configuration = tmp_path_factory.mktemp("configuration") / "agent.toml"
        text = (ROOT / "systemd/agent.toml").read_text()
        assert text.count("\nallow = []\n") == 1
        configuration.write_text(text.replace("\nallow = []\n", f'\nallow = ["label:{LABEL}"]\n'))
        volume = f"--volume={configuration}:/etc/gosonde/agent.toml:ro"
        for run, *options in documented():
            podman.run(run, *([volume] if "gosonde-agent" in options else []), *options)
        yield podman


@pytest.mark.parametrize("name", MOST_BYTES)
def test_an_image_is_small(built: Path, podman: Podman, name: str) -> None:
    (archive,) = built.glob(f"{name}_*.oci.tar")
    unpacked = podman.run("inspect", "--type=image", "--format={{.Size}}", image_of(podman, name))
    for found, most in zip((archive.stat().st_size, int(unpacked)), MOST_BYTES[name], strict=True):
        assert found < most


@pytest.mark.parametrize("name", MOST_BYTES)
def test_the_list_of_parts_of_an_image_has_debian_python_and_scripts(built: Path, name: str) -> None:
    parts = json.loads((built / f"{name}.cdx.json").read_text())
    assert parts["bomFormat"] == "CycloneDX"
    urls = {part["purl"].partition("@")[0] for part in parts["components"]}
    assert {"pkg:deb/debian/libc6", "pkg:pypi/grpcio", "pkg:pypi/gosonde", "pkg:npm/uplot"} <= urls
    assert ("pkg:deb/debian/libbpf1" in urls) == (name == "gosonde-agent")


def test_the_containers_have_the_documented_capabilities_and_the_collector_none(podman: Podman) -> None:
    for name, mask in (
        ("gosonde-agent", sum(1 << number for number in CAPABILITIES.values())),
        ("gosonde-collector", 0),
    ):
        pid = podman.run("inspect", "--format={{.State.Pid}}", name).strip()
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.findall(r"^CapBnd:\t(\w+)$", status, re.MULTILINE) == [f"{mask:016x}"]
        assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        assert bool(re.search(r"^Uid:\t65532\t65532", status, re.MULTILINE)) == (name == "gosonde-collector")


def test_the_agents_container_may_make_the_system_calls_of_its_profile_alone(podman: Podman) -> None:
    (rule,) = json.loads((ROOT / "deploy/container/seccomp.json").read_text())["syscalls"]
    stated = {seccomp_filters.number_of(name) for name in rule["names"]}
    pid = int(podman.run("inspect", "--format={{.State.Pid}}", "gosonde-agent"))
    for tid in Path(f"/proc/{pid}/task").iterdir():
        filters = seccomp_filters.filters_of(int(tid.name))
        allowed = seccomp_filters.allowed(filters)
        assert seccomp_filters.number_of("read") in allowed
        assert allowed <= stated
        assert seccomp_filters.allowed(filters, seccomp_filters.I386) == set()


def test_a_leak_in_another_container_is_found_and_what_no_rule_allows_is_not_watched(podman: Podman) -> None:
    with leaking(podman, "stranger"), leaking(podman, "watched", f"--env=GOSONDE_LABELS={LABEL}"):
        eventually(lambda: "main.leak" in asked(podman, "findings"), "the leak is found")
        watched = podman.run("inspect", "--format={{.State.Pid}}", "watched").strip()
        assert [process["pid"] for process in json.loads(asked(podman, "processes"))] == [int(watched)]


@contextmanager
def leaking(podman: Podman, name: str, *options: str) -> Iterator[None]:
    """A container of that name, whose program leaks."""
    program = go_programs.build("leak")
    command = podman.command(
        "run", "--rm", "--interactive", f"--name={name}", "--network=none", f"--volume={program}:/srv/leak:ro",
        "--entrypoint=/srv/leak", *options, image_of(podman, "gosonde-collector"), LEAKS_A_SECOND,
    )  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout
        try:
            assert json.loads(started.stdout.readline())["ready"]
            yield
        finally:
            started.terminate()


def image_of(podman: Podman, name: str) -> str:
    return podman.run("inspect", "--format={{.Image}}", name).strip()


def asked(podman: Podman, command: str) -> str:
    return podman.run("exec", "gosonde-collector", "gosonde", command, "--json", check=False)
