"""The disks of a machine, as files: made by mke2fs of folders, with nothing mounted."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from scripts.packages import wheels
from scripts.packages.releases import RELEASES
from tests import toolchains
from tests.kernels import packages
from tests.kernels.architectures import Architecture
from tests.paths import ROOT

#: To be changed with what this module does to a root: disks that were kept are then made anew.
FORM = "1"
#: Of Debian, in every root.
PACKAGES = (
    *("bash", "coreutils", "grep", "iproute2", "libbpf1", "libstdc++6", "mount", "passwd", "procps", "python3", "sed"),
    "util-linux",
)
SUITE, RELEASE = "bookworm", RELEASES[0]
#: Of the extra `dev` of the project, what the tests that run there import.
FOR_TESTS = ("hypothesis", "psutil", "pytest", "pytest-asyncio", "pytest-timeout")
ROOT_MEGABYTES, REPOSITORY_MEGABYTES, RESULTS_BYTES = 2_000, 1_000, 1 << 20
GUEST = Path(__file__).with_name("guest.sh")
GOSONDE = "#!/opt/gosonde/bin/python\nfrom gosonde_cli.cli import main\nmain()\n"
PYVENV = "home = /usr/bin\ninclude-system-site-packages = true\n"


def root(architecture: Architecture) -> Path:
    """The disk with a minimal Debian and the Python packages of gosonde and its tests, kept until those change.

    Raises:
        subprocess.CalledProcessError: A package could not be fetched; the tool's own message is on stderr.
    """
    wanted, debian = _wanted(), (*PACKAGES, *architecture.packages)
    made_of = "\n".join((*wanted, *debian, GUEST.read_text(), RELEASE.lock.read_text(), FORM))
    disk = packages.cache(architecture) / f"root-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.ext4"
    with toolchains.locked(disk.with_suffix(".lock")):
        if not disk.exists():
            with tempfile.TemporaryDirectory(dir=disk.parent) as name:
                tree = Path(name) / "root"
                # Nothing of the packages runs, so it does not matter for which processor they are.
                flags = ("--quiet", "--variant=extract", "--skip=check/qemu", f"--architectures={architecture.name}")
                subprocess.run(("mmdebstrap", *flags, f"--include={','.join(debian)}", SUITE, tree), check=True)
                _prepare(tree)
                _install(wanted, tree / "opt/gosonde", architecture)
                compile_python(tree / "usr/lib", tree / "opt/gosonde")
                make_disk(tree, disk, ROOT_MEGABYTES)
    return disk


def _wanted() -> Sequence[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    tests = [line for line in extras["dev"] if line.partition(">")[0] in FOR_TESTS]
    return [*project["dependencies"], *extras["agent"], *extras["collector"], *tests]


def _prepare(tree: Path) -> None:
    """What the packages' scripts would have done, which have not run: they may be of another processor."""
    (tree / "bin/sh").symlink_to("bash")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/nonexistent:/bin/false\n")
    (tree / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost gosonde\n::1 localhost\n")
    shutil.copy(GUEST, tree / "usr/sbin/gosonde-init")
    for folder in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt"):
        shutil.rmtree(tree / folder, ignore_errors=True)


def _install(wanted: Sequence[str], folder: Path, architecture: Architecture) -> None:
    """A virtual environment as Python itself makes it, and the packages in it."""
    site = folder / f"lib/python{RELEASE.python}/site-packages"
    site.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to("/usr/bin/python3")
    (folder / "pyvenv.cfg").write_text(PYVENV)
    (folder / "bin/gosonde").write_text(GOSONDE)
    (folder / "bin/gosonde").chmod(0o755)
    flags = [*architecture.wheels, f"--python-version={RELEASE.python}", "--only-binary=:all:", "--no-compile"]
    wheels.pip("install", "--target", site, "--find-links", wheels.fetch(RELEASE), *flags, *wanted)


def compile_python(*folders: Path) -> None:
    """Compiles modules, which takes an emulated machine minutes; another version of Python ignores them."""
    command = (sys.executable, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash")
    # What is not for this version does not compile, and is nothing that the tests import.
    subprocess.run([*command, *folders], check=False, stdout=subprocess.DEVNULL)


def make_disk(tree: Path, disk: Path, megabytes: int) -> None:
    """The contents of a folder as a disk, whole or not at all."""
    unfinished = disk.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with unfinished.open("wb") as file:
        os.truncate(file.fileno(), megabytes << 20)
    flags = ("-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum")
    subprocess.run(("mke2fs", *flags, "-d", tree, unfinished), check=True, stdout=sys.stderr)
    unfinished.rename(disk)
