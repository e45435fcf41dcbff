"""The files of an image: the packages of Debian that it takes, and gosonde's."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

SUITE = "bookworm"
#: What images take of Debian, beside what Debian itself calls essential. The collector's needs no libbpf, but that is
#: small, and one root for both is made in half the time.
INCLUDED = "python3,libbpf1,libstdc++6"
#: Without these, usrmerge would bring all of Perl.
MERGED_USR = ("--include=usr-is-merged", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr")
#: Licences stay. Manual pages, translations, character sets that Python has itself do not, nor modules of Python that
#: need a library which nothing else needs.
LEFT_OUT = (
    "path-exclude=/usr/lib/*/gconv/*",
    "path-exclude=/usr/lib/python3*/lib-dynload/_dbm.*",
    "path-exclude=/usr/lib/python3*/lib-dynload/nis.*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
#: Essential where people log in and packages are installed. Those of the first row need the second to be removed;
#: nothing that is left links to the libraries of the others.
REMOVED = (
    "login util-linux-extra libpam-runtime libpam-modules libpam-modules-bin libpam0g",
    "util-linux init-system-helpers debconf perl-base bsdutils ncurses-bin sysvinit-utils",
    "libaudit1 libaudit-common libblkid1 libcap-ng0 libcap2 libdb5.3 libgcrypt20 libgpg-error0 liblz4-1 libmount1",
    "libcom-err2 libgssapi-krb5-2 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libnsl2 libsmartcols1",
    "libsystemd0 libtirpc3 libtirpc-common libudev1",
)
#: Of wheels: what is for tests, type checkers and compilers.
OF_DEVELOPMENT = ("tests", "*.pyi", "*.pxd", "*.a", "numpy/_core/include", "numpy/distutils", "numpy/f2py")
#: Modules for work on programs; their package compiles them, and so must have them until then.
OF_DEBIANS_PYTHON = ("usr/lib/python3*/lib2to3", "usr/lib/python3*/pydoc_data")
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
    for pattern in (*OF_DEBIANS_PYTHON, *OF_THE_BUILD):
        _remove(list(folder.glob(pattern)))


def _remove(paths: Iterable[Path]) -> None:
    """Files, and folders with all that is in them, of which some may be in others."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


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
    for pattern in OF_DEVELOPMENT:
        _remove(list(home.rglob(pattern)))
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
