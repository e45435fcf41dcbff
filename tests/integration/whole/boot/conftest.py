"""Systems that were booted with gosonde's services enabled: nobody started them by hand.

One is this host's own files with what `make install` lays over them. By `make test-packages` Debian 12 and 13 with the
packages are there too.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import built_packages, debian_root, host_root, toolchains
from tests.booted_system import BootedSystem, eventually
from tests.built_packages import NAMES
from tests.integration.whole.boot.services import SERVICES

#: Seconds in which a service must say that it is alive: less than the units', so that a test of it is soon over.
WATCHDOG = 8
DEBIANS = [pytest.param(release, marks=pytest.mark.minutes) for release in debian_root.SUITES]


@pytest.fixture(scope="package", params=["host", *DEBIANS])
def system(
    request: pytest.FixtureRequest, packages_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BootedSystem]:
    """Each of them, running until all tests of this folder are over."""
    work = tmp_path_factory.mktemp("system")
    seen = {"/cache": toolchains.cache_dir()}
    if request.param == "host":
        with host_root.booted(work, seen, _shorten_watchdogs) as booted:
            yield _ready(booted)
        return
    packages = packages_of(request.param)
    with debian_root.booted(request.param, work, {**seen, "/packages": packages}) as booted:
        _install(booted, packages)
        yield _ready(booted)


def _install(system: BootedSystem, packages: Path) -> None:
    files = (f"/packages/{built_packages.find(packages, name).name}" for name in NAMES)
    system.run("apt-get", "install", "-qq", "--yes", *files)
    _shorten_watchdogs(system.root)
    system.halt()
    system.boot()


def _shorten_watchdogs(root: Path) -> None:
    for unit in SERVICES:
        folder = root / f"etc/systemd/system/{unit}.d"
        folder.mkdir(parents=True)
        (folder / "watchdog.conf").write_text(f"[Service]\nWatchdogSec={WATCHDOG}\n")


def _ready(system: BootedSystem) -> BootedSystem:
    for unit in SERVICES:
        eventually(lambda: system.property(unit, "ActiveState") == "active", f"{unit} has started")  # noqa: B023
    return system
