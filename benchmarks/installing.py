"""From `apt install` of both packages in a fresh Debian 12 to the first finding of a leak of ten goroutines a second.

The Debian is booted by systemd-nspawn, and has no network: what the packages depend on (python3, libbpf1) is there
already. Times begin with apt, right after the program that leaks has started, and end when `gosonde findings`, asked
once a second, has the leak.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.effort import Effort
from benchmarks.results import Row
from tests import built_packages, debian_root, go_programs, toolchains
from tests.booted_system import BootedSystem, eventually
from tests.built_packages import NAMES

RELEASE: Final = "deb12"
ROUNDS, QUICK_ROUNDS = 5, 1
#: What leaks: the program with its arguments, and the function that findings name.
LEAKS: Final = {
    "a leak that memory proves": (("leaky/channel_send", "100ms"), "main.ask"),
    "a leak that its growth shows": (("leak", "10"), "main.leak"),
}


def installing(effort: Effort) -> Iterator[Row]:
    """A new system in each round."""
    took: dict[str, list[tuple[float, float]]] = {case: [] for case in LEAKS}
    with tempfile.TemporaryDirectory() as folder:
        built_packages.build(Path(folder), RELEASE)
        for _ in range(ROUNDS if effort.thorough else QUICK_ROUNDS):
            for case, (program, function) in LEAKS.items():
                took[case].append(_one(Path(folder), program, function))
    for case, values in took.items():
        yield Row("install", f"{case}: apt itself", "s", tuple(apt for apt, _ in values))
        yield Row("install", f"{case}: to the finding", "s", tuple(whole for _, whole in values))


def _one(packages: Path, program: Sequence[str], function: str) -> tuple[float, float]:
    """Seconds until apt has ended, and until there is a finding."""
    path = Path("/cache") / go_programs.build(program[0]).relative_to(toolchains.cache_dir())
    seen = {"/packages": packages, "/cache": toolchains.cache_dir()}
    files = [f"/packages/{built_packages.find(packages, name).name}" for name in NAMES]
    with tempfile.TemporaryDirectory() as work, debian_root.booted(RELEASE, Path(work), seen) as system:
        command = system.command(path, *program[1:])
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as leak:
            try:
                began = time.monotonic()
                system.run("apt-get", "install", "-qq", "--yes", *files)
                installed = time.monotonic() - began
                eventually(lambda: _is_found(system, function), f"there is a finding of {function}")
                return installed, time.monotonic() - began
            finally:
                leak.kill()


def _is_found(system: BootedSystem, function: str) -> bool:
    time.sleep(1.0)
    return function in system.run("gosonde", "findings", "--json", check=False)
