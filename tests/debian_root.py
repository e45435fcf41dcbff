"""Debians that mmdebstrap makes, to be booted: they are kept below ~/.cache, and nobody writes to them."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests import booted_system, toolchains
from tests.booted_system import BootedSystem

SUITES = {"deb12": "bookworm", "deb13": "trixie"}
#: What the packages depend on is there: nothing is fetched while a root runs.
INCLUDED = "systemd,systemd-sysv,dbus,python3,libbpf1,libstdc++6,passwd"


def missing() -> str:
    """What this host lacks to boot one; empty when nothing."""
    return booted_system.missing() or ("" if shutil.which("mmdebstrap") else "not installed: mmdebstrap")


def booted(release: str, work: Path, seen: Mapping[str, Path]) -> BootedSystem:
    """A Debian of a release, "deb12" or "deb13"; for the rest see BootedSystem."""
    return BootedSystem(made(SUITES[release], INCLUDED), work, seen)


def made(suite: str, included: str) -> Path:
    """The root of a suite of Debian with packages, as mmdebstrap makes it."""
    contents = hashlib.sha256(included.encode()).hexdigest()[:8]
    folder = toolchains.cache_dir() / "roots" / f"{suite}-{contents}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with toolchains.locked(folder.with_suffix(".lock")):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            command = ("mmdebstrap", "--quiet", "--variant=minbase", f"--include={included}", suite, unfinished)
            subprocess.run(command, check=True)
            unfinished.rename(folder)
    return folder
