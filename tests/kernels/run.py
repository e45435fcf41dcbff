"""Boots kernels and runs gosonde on them: `python -m tests.kernels.run [ARCHITECTURE] [KERNEL ...]`.

A kernel is named as in `kernels.KERNELS`; without any, all are tried. What each showed goes into docs/platforms.md.
What its machine said is kept in ~/.cache/gosonde/kernels. Ends with 1 when something did not hold.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.kernels import disks, initramfs, outcome, packages, repository, table
from tests.kernels.architectures import AMD64, ARCHITECTURES, Architecture
from tests.kernels.kernels import KERNELS, Kernel
from tests.kernels.machine import KVM, TCG, Machine, missing
from tests.kernels.outcome import Outcome
from tests.kernels.trials import columns
from tests.paths import ROOT

#: For one kernel, also on a busy host.
SECONDS = 3_600.0


def say(text: str) -> None:
    """To whoever waits."""
    print(text, file=sys.stderr, flush=True)


def tried(kernel: Kernel, architecture: Architecture) -> Outcome:
    """What gosonde does on a kernel.

    Raises:
        subprocess.CalledProcessError: Something of it could not be fetched or made.
    """
    folder = packages.fetched(kernel, architecture)
    busybox = packages.unpacked_from_debian("busybox-static", disks.SUITE, architecture) / "bin/busybox"
    console = packages.cache(architecture) / f"{kernel.name}.console"
    machine = Machine(architecture, folder, initramfs.make(folder, busybox), console)
    tests = [test for those in columns(kernel).values() for test in those]
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "results"
        results.write_bytes(bytes(disks.RESULTS_BYTES))
        repository.disk(architecture, tests, Path(name) / "repository.ext4")
        accelerator = KVM if machine.boots_by_kvm() else TCG
        say(f"{kernel.name}: {len(tests)} tests on {folder.name}, by {accelerator}; what it says is in {console}")
        began = time.monotonic()
        in_order = (disks.root(architecture), Path(name) / "repository.ext4", results)
        machine.run(accelerator, in_order, (f"gosonde.repository={ROOT}",), SECONDS)
        found = outcome.read(results)
    _tell(kernel, found, found.not_passed(tests), time.monotonic() - began)
    return found


def _tell(kernel: Kernel, found: Outcome, failed: Sequence[str], seconds: float) -> None:
    say(f"{kernel.name}: Linux {found.release or 'did not boot'}; {seconds:.0f} s, of them tests {found.seconds:.0f} s")
    for test in failed:
        say(f"  {test}")
    if not failed:
        say("  all passed")


def check_names(tests: Sequence[str]) -> None:
    """Does nothing where there are all these tests.

    Raises:
        subprocess.CalledProcessError: There are not; pytest's own message is on stdout.
    """
    command = (sys.executable, "-m", "pytest", "--collect-only", "-qq", "-m", "", *dict.fromkeys(tests))
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def main(arguments: Sequence[str]) -> int:
    """Tries kernels, writes the table, and returns the exit code."""
    architecture = ARCHITECTURES.get(arguments[0], AMD64) if arguments else AMD64
    names = [name for name in arguments if name not in ARCHITECTURES]
    known = {kernel.name: kernel for kernel in KERNELS if kernel.distribution in architecture.flavours}
    if unknown := [name for name in names if name not in known]:
        say(f"{unknown[0]!r} is neither a kernel ({', '.join(known)}) nor an architecture ({', '.join(ARCHITECTURES)})")
        return 2
    if os.geteuid() != 0:
        say("only root can make the root of a Debian")
        return 3
    if lacking := missing(architecture):
        say(f"not installed: {', '.join(lacking)}; scripts/setup kernels installs that")
        return 3
    check_names([test for kernel in KERNELS for those in columns(kernel).values() for test in those])
    is_right = True
    for kernel in [known[name] for name in names] or known.values():
        found = tried(kernel, architecture)
        table.write([table.line(kernel, architecture, found)])
        is_right &= not found.not_passed([test for those in columns(kernel).values() for test in those])
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
