"""Processors whose kernels are tried, and how each is emulated."""

import platform
from dataclasses import dataclass

#: Of wheels that run with the C library of Debian 12.
MANYLINUX = (*(f"manylinux_2_{minor}" for minor in range(36, 4, -1)), "manylinux2014")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A processor.

    Attributes:
        name: Debian's name for it, and Go's.
        machine: The kernel's name (`uname -m`).
        emulator: The command of qemu.
        board: What it emulates, as its flags.
        processor: What it emulates without hardware's help.
        console: The kernel's name of the first serial line.
        flavours: What stands behind `linux-image-` in names of kernel packages, by distribution.
        wheels: Which wheels of Python packages run there, as pip's flags.
        packages: Of Debian, what the root has beside those of every root.
    """

    name: str
    machine: str
    emulator: str
    board: tuple[str, ...]
    processor: str
    console: str
    flavours: dict[str, str]
    wheels: tuple[str, ...]
    packages: tuple[str, ...] = ()

    @property
    def is_hosts(self) -> bool:
        """Whether this host has such a processor."""
        return platform.machine() == self.machine


AMD64 = Architecture(
    name="amd64",
    machine="x86_64",
    emulator="qemu-system-x86_64",
    board=("-M", "q35"),
    processor="max",
    console="ttyS0",
    flavours={"debian": "cloud-amd64", "ubuntu": "virtual"},
    wheels=tuple(f"--platform={tag}_x86_64" for tag in MANYLINUX),
)
#: bcc compiles the probes there: compiled ones are made for the processor that makes them.
ARM64 = Architecture(
    name="arm64",
    machine="aarch64",
    emulator="qemu-system-aarch64",
    board=("-M", "virt,gic-version=3"),
    processor="cortex-a72",
    console="ttyAMA0",
    flavours={"debian": "cloud-arm64"},
    wheels=tuple(f"--platform={tag}_aarch64" for tag in MANYLINUX),
    packages=("python3-bpfcc",),
)
ARCHITECTURES = {each.name: each for each in (AMD64, ARM64)}
