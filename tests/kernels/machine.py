"""A machine that qemu emulates: boots a kernel with an initramfs and disks, and ends with it."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.kernels.architectures import Architecture

PROCESSORS, MEGABYTES = 2, 3_072
KVM = "kvm"
#: Without hardware's help; each of the machine's processors has a thread of the host's.
TCG = "tcg,thread=multi,tb-size=512"
#: A kernel that boots by KVM at all does so in a few seconds.
KVM_SECONDS = 30.0
BOOTED = "gosonde-booted"


class Machine:
    """What boots a kernel.

    Args:
        architecture: The machine's.
        kernel: The folder of an unpacked kernel.
        initramfs: What it runs first.
        console: The file that gets what it says.
    """

    def __init__(self, architecture: Architecture, kernel: Path, initramfs: Path, console: Path) -> None:
        self._architecture, self._initramfs, self._console = architecture, initramfs, console
        self._image = next(kernel.rglob("vmlinuz*"))

    def boots_by_kvm(self) -> bool:
        """Whether the host's hardware helps: it is tried, because a host may have KVM under which nothing boots."""
        if not self._architecture.is_hosts or not os.access("/dev/kvm", os.R_OK | os.W_OK):
            return False
        self._run(KVM, (), ("gosonde.only-boot",), KVM_SECONDS)
        return BOOTED in self.said()

    def run(self, accelerator: str, disks: Sequence[Path], options: Sequence[str], seconds: float) -> bool:
        """Boots, and waits until the machine has switched itself off: whether it did so in time.

        What it writes on disks is dropped, except on the last.

        Args:
            disks: As files, in the order in which it finds them.
            options: For the kernel's command line.
        """
        drives = []
        for number, disk in enumerate(disks):
            drops = "off" if disk == disks[-1] else "on"
            drives += ["-drive", f"file={disk},if=none,id=d{number},format=raw,snapshot={drops}"]
            drives += ["-device", f"virtio-blk-pci,drive=d{number}"]
        return self._run(accelerator, drives, options, seconds)

    def said(self) -> str:
        """What the machine has said so far."""
        return self._console.read_text(errors="replace")

    def _run(self, accelerator: str, drives: Sequence[str], options: Sequence[str], seconds: float) -> bool:
        words = (f"console={self._architecture.console}", "mitigations=off", "panic=-1", *options)
        command = (
            *(self._architecture.emulator, *self._architecture.board, "-accel", accelerator),
            *("-cpu", "host" if accelerator == KVM else self._architecture.processor),
            *("-smp", str(PROCESSORS), "-m", str(MEGABYTES), "-display", "none", "-monitor", "none", "-nic", "none"),
            *("-no-reboot", "-serial", "stdio", "-kernel", str(self._image), "-initrd", str(self._initramfs)),
            *("-device", "virtio-rng-pci", "-append", " ".join(words), *drives),
        )
        with self._console.open("wb") as console:
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, timeout=seconds, check=False
                )
            except subprocess.TimeoutExpired:
                return False
        return done.returncode == 0


def missing(architecture: Architecture) -> Sequence[str]:
    """Tools that this host lacks."""
    tools = (architecture.emulator, "cpio", "depmod", "mke2fs", "mmdebstrap")
    return [tool for tool in tools if not shutil.which(tool)]
