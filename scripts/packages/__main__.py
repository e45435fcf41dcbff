"""Builds every package for every release of Debian: python -m scripts.packages FOLDER [RELEASE [ARCHITECTURE]].

For amd64, unless another processor is named. It needs root and bcc, because the packages bring the compiled probes;
bcc compiles them for other processors too. Equal sources and an equal bcc give equal bytes:
times are SOURCE_DATE_EPOCH, or that of the newest commit.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from gosonde_agent.sources.ebpf import compiled_file, probe_text
from gosonde_agent.sources.ebpf.compiler_process import compile_probes
from gosonde_common import __version__
from gosonde_common.errors import GosondeError

from scripts.packages import deb, tree, wheels
from scripts.packages.releases import AMD64, ARCHITECTURES, PACKAGES, RELEASES, ROOT


def main() -> None:
    """Builds what the arguments name."""
    parser = argparse.ArgumentParser(prog="scripts.packages")
    parser.add_argument("folder", type=Path)
    parser.add_argument("release", nargs="?", choices=[release.name for release in RELEASES])
    parser.add_argument("architecture", nargs="?", choices=ARCHITECTURES, default=AMD64.name)
    arguments = parser.parse_args()
    architecture = ARCHITECTURES[arguments.architecture]
    os.environ["ARCH"] = architecture.for_bcc
    try:
        probes = compile_probes()
    except GosondeError as error:
        sys.exit(f"packages: {error}")
    target = arguments.folder.resolve()
    target.mkdir(parents=True, exist_ok=True)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _time_of_newest_commit())
    key = probe_text.key_of_package(architecture.machine)
    for each in RELEASES:
        if arguments.release not in {None, each.name}:
            continue
        release = replace(each, architecture=architecture)
        with tempfile.TemporaryDirectory() as name:
            folders = (wheels.fetch(release), _own_wheel(Path(name), epoch))
            for package in PACKAGES:
                root = Path(name) / package.name
                root.mkdir()
                tree.lay_out(root, package, release, folders)
                compiled_file.keep(tree.probes_of(root, package), key, probes)
                print(deb.pack(root, package, release, __version__, target, epoch=epoch))


def _time_of_newest_commit() -> str:
    command = ("git", "-C", ROOT, "log", "-1", "--format=%ct")
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _own_wheel(folder: Path, epoch: int) -> Path:
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch)
    wheels.pip("wheel", "--no-deps", "--wheel-dir", folder / "wheel", ROOT)
    return folder / "wheel"


main()
