"""The life of the packages on Debian 12 and 13: installed, upgraded, downgraded, removed, purged.

`make test-packages` runs this.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import built_packages, debian_root, go_programs, toolchains
from tests.booted_system import BootedSystem, eventually
from tests.built_packages import FORMER, FORMER_LINE, FORMER_MODULE, NAMES

USERS = {"gosonde-agent", "gosonde-helper", "gosonde-collector"}
#: What apt, dpkg and systemd keep of anything that was ever installed or ran.
KEPT_BY_OTHERS = ("/var/log", "/var/cache", "/var/lib/dpkg", "/var/lib/apt", "/var/lib/systemd", "/proc", "/sys")
pytestmark = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(bool(debian_root.missing()), reason=debian_root.missing()),
    pytest.mark.minutes,
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module", params=debian_root.SUITES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def packages(release: str, packages_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages in `new` and those of a former version in `former`."""
    folder = tmp_path_factory.mktemp("life")
    shutil.copytree(packages_of(release), folder / "new")
    (folder / "former").mkdir()
    built_packages.make_former(folder / "new", folder / "former")
    return folder


@pytest.fixture
def system(release: str, packages: Path, tmp_path: Path) -> Iterator[BootedSystem]:
    seen = {"/packages": packages, "/programs": toolchains.cache_dir() / "programs"}
    with debian_root.booted(release, tmp_path, seen) as booted:
        yield booted


def install(system: BootedSystem, packages: Path, version: str, *flags: str) -> None:
    files = (f"/packages/{version}/{built_packages.find(packages / version, name).name}" for name in NAMES)
    system.run("apt-get", "install", "-qq", "--yes", *flags, *files)


@contextmanager
def counted_program(system: BootedSystem) -> Iterator[int]:
    """The number, in the system, of a Go program that the collector knows."""
    path = go_programs.build("churn").relative_to(toolchains.cache_dir())
    with subprocess.Popen(
        system.command(f"/{path}"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout
            pid = int(json.loads(program.stdout.readline())["pid"])
            eventually(lambda: pid in stored(system), "the collector knows the program")
            yield pid
        finally:
            program.kill()


def stored(system: BootedSystem) -> set[int]:
    """Processes that the collector knows; nothing while it does not answer."""
    said = system.run("gosonde", "processes", "--collector", "127.0.0.1:9317", "--json", check=False)
    try:
        return {row["pid"] for row in json.loads(said)}
    except (json.JSONDecodeError, TypeError):
        return set()


def agent_id(system: BootedSystem) -> str:
    return system.run("cat", "/var/lib/gosonde-agent/agent_id")


def versions(system: BootedSystem) -> set[str]:
    said = system.run("dpkg-query", "--show", "--showformat=${Version}\n", *NAMES)
    return {line.split("-")[0] for line in said.splitlines()}


def files(system: BootedSystem) -> set[str]:
    pruned = [word for folder in KEPT_BY_OTHERS for word in ("-path", folder, "-prune", "-o")]
    return set(system.run("find", "/", "-xdev", *pruned, "-print").splitlines())


def users(system: BootedSystem) -> set[str]:
    names = system.run("cut", "-d:", "-f1", "/etc/passwd", "/etc/group").splitlines()
    return {name for name in names if name.startswith("gosonde")}


def is_active(system: BootedSystem) -> bool:
    return all(system.property(f"{name}.service", "ActiveState") == "active" for name in NAMES)


def test_an_installation_starts_the_services_which_see_a_go_program(system: BootedSystem, packages: Path) -> None:
    install(system, packages, "new")
    assert is_active(system)
    assert all(system.property(f"{name}.service", "UnitFileState") == "enabled" for name in NAMES)
    with counted_program(system) as pid:
        assert pid in stored(system)
    assert system.run("readlink", "-f", "/usr/bin/gosonde") == "/usr/lib/gosonde-collector/bin/gosonde\n"
    for path in ("man/man1/gosonde-trace.1.gz", "bash-completion/completions/gosonde"):
        system.run("test", "-s", f"/usr/share/{path}")
    assert system.run("systemctl", "list-units", "--failed", "--no-legend") == ""
    assert system.run("dpkg", "--verify", *NAMES) == ""


def test_the_agents_package_alone_has_the_command(system: BootedSystem, packages: Path) -> None:
    name = built_packages.find(packages / "new", "gosonde-agent").name
    system.run("apt-get", "install", "-qq", "--yes", f"/packages/new/{name}")
    assert system.property("gosonde-agent.service", "ActiveState") == "active"
    assert "The agent can work here." in system.run("gosonde", "doctor")


def test_an_upgrade_and_a_downgrade_keep_what_was_collected_and_configured(
    system: BootedSystem, packages: Path
) -> None:
    install(system, packages, "former")
    changed = f"{system.run('cat', '/etc/gosonde/collector.toml')}retention_hours = 48.0\n".replace(
        "\nretention_hours = 24.0", ""
    )
    (system.root / "etc/gosonde/collector.toml").write_text(changed)
    with counted_program(system) as pid:
        before = agent_id(system)
        for version, flags in (("new", ()), ("former", ("--allow-downgrades",))):
            old = [system.property(f"{name}.service", "MainPID") for name in NAMES]
            install(system, packages, version, "--option=Dpkg::Options::=--force-confold", *flags)
            assert (FORMER in versions(system)) == (version == "former")
            assert is_active(system)
            assert not set(old) & {system.property(f"{name}.service", "MainPID") for name in NAMES}
            eventually(lambda: pid in stored(system), "the collector answers with what it had")
            assert agent_id(system) == before != ""
            assert (FORMER_LINE in system.run("cat", "/etc/gosonde/agent.toml")) == (version == "former")
            assert system.run("cat", "/etc/gosonde/collector.toml") == changed
            module = f"/usr/lib/gosonde-agent/lib/gosonde/python/{FORMER_MODULE}"
            assert system.run("sh", "-c", f"ls {module} || true").startswith(module) == (version == "former")


def test_a_disabled_service_stays_so_at_an_upgrade(system: BootedSystem, packages: Path) -> None:
    install(system, packages, "former")
    system.run("systemctl", "disable", "--now", "gosonde-agent.service")
    install(system, packages, "new")
    assert system.property("gosonde-agent.service", "UnitFileState") == "disabled"


def test_a_removal_keeps_data_and_a_purge_leaves_nothing(system: BootedSystem, packages: Path) -> None:
    before, users_before = files(system), system.run("cat", "/etc/passwd", "/etc/group")
    install(system, packages, "new")
    assert users(system) == USERS | {"gosonde"}
    system.run("apt-get", "remove", "--yes", *NAMES)
    assert not is_active(system)
    for path in ("/etc/gosonde/agent.toml", "/var/lib/gosonde-agent", "/var/lib/gosonde-collector"):
        system.run("test", "-e", path)
    system.run("sh", "-c", "! command -v gosonde")
    assert not [path for path in files(system) if path.startswith("/usr/lib/gosonde")]
    system.run("apt-get", "purge", "--yes", *NAMES)
    assert files(system) - before == set()
    assert system.run("cat", "/etc/passwd", "/etc/group") == users_before
    assert system.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "gosonde*") == ""
