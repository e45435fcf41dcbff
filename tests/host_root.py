"""This host's own files, with what `make install` lays over them, to be booted: nothing of the host changes."""

import os
import subprocess
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.booted_system import BootedSystem
from tests.paths import ROOT

#: What this host starts and mounts at its own boot, and may not be there in a system without its devices and network.
HIDDEN = ("etc/systemd/system", "etc/init.d")
SERVICES = ("gosonde-agent.service", "gosonde-collector.service")


def booted(work: Path, seen: Mapping[str, Path], prepare: Callable[[Path], None]) -> BootedSystem:
    """This host's files and gosonde, with no other service enabled than gosonde's; for the rest see BootedSystem."""

    def install(upper: Path) -> None:
        _install(upper)
        prepare(upper)

    return BootedSystem(Path("/"), work, seen, install)


def _install(upper: Path) -> None:
    subprocess.run(("make", "-s", "-C", ROOT, "install", f"DESTDIR={upper}"), check=True)
    (upper / "etc/fstab").touch()
    (upper / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    for name in HIDDEN:
        folder = upper / name
        folder.mkdir(parents=True)
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    subprocess.run(("systemctl", f"--root={upper}", "--quiet", "enable", *SERVICES), check=True)
