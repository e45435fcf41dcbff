"""The files of an image: the packages of Debian that it takes, and gosonde's."""

import shutil
import subprocess
from pathlib import Path

SUITE = "bookworm"
#: What images take of Debian, beside what Debian itself calls essential. The collector's needs no libbpf, but that is
#: small, and one root for both is made in half the time.
INCLUDED = "python3,libbpf1,libstdc++6"
#: Without these, usrmerge would bring all of Perl.
MERGED_USR = ("--include=usr-is-merged", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr")
#: Licences stay; manual pages, translations and character sets that Python has itself do not.
LEFT_OUT = (
    "path-exclude=/usr/lib/*/gconv/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
#: Essential where people log in and packages are installed. Those of the first row need the second to be removed.
REMOVED = (
    "login util-linux-extra libpam-runtime libpam-modules libpam-modules-bin libpam0g",
    "util-linux init-system-helpers debconf perl-base",
)
#: They tell of the host that built the image, or of the time, or are what was before.
OF_THE_BUILD = (
    "etc/apt", "etc/hostname", "etc/resolv.conf", "var/cache/*", "var/lib/apt", "var/lib/dpkg/*-old", "var/log/*",
)  # fmt: skip
#: The collector's user and group in its image, which Kubernetes wants as a number.
COLLECTOR_ID = 65_532


def debian(folder: Path, architecture: str) -> None:
    """Makes a root of what all images take of Debian.

    Args:
        folder: Does not exist.
        architecture: Debian's name of it. Of another than this host's the kernel must be able to run programs, as with
            qemu-user-static and binfmt-support.

    Raises:
        subprocess.CalledProcessError: mmdebstrap failed, and said why.
    """
    removing = "dpkg --purge --force-remove-essential --force-depends"
    command: tuple[str | Path, ...] = (
        "mmdebstrap", "--quiet", f"--architecture={architecture}", "--variant=essential", f"--include={INCLUDED}",
        *MERGED_USR, *(f"--dpkgopt={option}" for option in LEFT_OUT),
        *(f'--customize-hook=chroot "$1" {removing} {packages}' for packages in REMOVED),
        SUITE, folder,
    )  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for pattern in OF_THE_BUILD:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def make(folder: Path, name: str, package: Path, base: Path, native: Path) -> None:
    """Makes the root of an image.

    Args:
        folder: Does not exist.
        name: The image's, which is that of the package.
        package: The file of gosonde's package for Debian 12.
        base: A root of its architecture that `debian` made.
        native: One of this host's architecture.

    Raises:
        subprocess.CalledProcessError: A tool failed, and said why.
    """
    subprocess.run(("cp", "--archive", base, folder), check=True)
    subprocess.run(("dpkg-deb", "--extract", package, folder), check=True)
    home = folder / "usr/lib" / name
    for tests in [path for path in home.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests)
    _compile(home, native)
    (folder / "usr/bin/gosonde").symlink_to(f"/usr/lib/{name}/bin/gosonde")
    if name == "gosonde-collector":
        _add_collector(folder)


def _compile(home: Path, native: Path) -> None:
    """Compiles the modules of the folder, in the same place of a root that this host runs without an emulator."""
    there = native / "usr/lib" / home.name
    shutil.move(home, there)
    # Believed without a look at the time of the source, so that the bytes depend on the source alone.
    command = ("python3", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", f"/usr/lib/{home.name}")
    subprocess.run(("chroot", native, *command), check=True)
    shutil.move(there, home)


def pack(folder: Path, archive: Path, epoch: str) -> None:
    """Packs a root; equal files of equal times give equal bytes."""
    command = (
        "tar", "--create", "--sort=name", "--numeric-owner", f"--mtime=@{epoch}", "--format=gnu", "--file", archive,
        "--exclude=./dev/*", "--directory", folder, ".",
    )  # fmt: skip
    subprocess.run(command, check=True)


def _add_collector(folder: Path) -> None:
    home, number = "/var/lib/gosonde-collector", COLLECTOR_ID
    with (folder / "etc/passwd").open("a") as users:
        users.write(f"gosonde-collector:x:{number}:{number}::{home}:/usr/sbin/nologin\n")
    with (folder / "etc/group").open("a") as groups:
        groups.write(f"gosonde-collector:x:{number}:\n")
    command = ("install", "--directory", "--mode=0700", f"--owner={number}", f"--group={number}", f"{folder}{home}")
    subprocess.run(command, check=True)
