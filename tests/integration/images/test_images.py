"""The container images run as docs/install.md says, and find a leak in another one: `make test-images`."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import go_programs, seccomp_filters
from tests.booted_system import eventually
from tests.paths import ROOT
from tests.podman import MARKS, Podman, documented, in_folder

CAPABILITIES = {"DAC_READ_SEARCH": 2, "SYS_PTRACE": 19, "LEASE": 28, "PERFMON": 38, "BPF": 39}
LEAKS_A_SECOND = "10"
#: A leak is judged after some 50 s, of a host that has time.
FOUND_SECONDS = 900.0
#: The agent watches programs with this label alone, whatever else the host runs.
LABEL = f"images={os.getpid()}"
pytestmark = MARKS


@pytest.fixture(scope="module")
def podman(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """With both containers started as documented."""
    store = tmp_path_factory.mktemp("podman")
    podman = Podman("podman", *in_folder(store))
    for archive in built.glob("*.oci.tar"):
        podman.run("load", "--quiet", "--input", archive)
    with ExitStack() as stack:
        stack.callback(podman.forget)
        configuration = tmp_path_factory.mktemp("configuration") / "agent.toml"
        text = (ROOT / "systemd/agent.toml").read_text()
        assert text.count("\nallow = []\n") == 1
        configuration.write_text(text.replace("\nallow = []\n", f'\nallow = ["label:{LABEL}"]\n'))
        volume = f"--volume={configuration}:/etc/gosonde/agent.toml:ro"
        for run, *options in documented():
            podman.run(run, *([volume] if "gosonde-agent" in options else []), *options)
        yield podman


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
        eventually(lambda: "main.leak" in asked(podman, "findings"), "the leak is found", FOUND_SECONDS)
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
