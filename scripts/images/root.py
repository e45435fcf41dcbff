"""The files of an image: the packages of Debian that it takes, and gosonde's."""

import shutil
import subprocess
from pathlib import Path

SUITE = "bookworm"
#: What each image takes of Debian, beside what Debian itself calls essential.
INCLUDED = {"gosonde-agent": "python3,libbpf1,libstdc++6", "gosonde-collector": "python3,libstdc++6"}
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
    "etc/apt", "etc/hostname", "etc/resolv.conf", "var/cache/debconf", "var/cache/ldconfig", "var/lib/dpkg/*-old",
    "var/log/*", "var/lib/apt",
)  # fmt: skip
#: The collector's user and group in its image, which Kubernetes wants as a number.
COLLECTOR_ID = 65_532


def make(folder: Path, name: str, package: Path) -> None:
    """Makes the root of an image.

    Args:
        folder: Does not exist.
        name: The image's, which is that of the package.
        package: The file of gosonde's package for Debian 12.

    Raises:
        subprocess.CalledProcessError: mmdebstrap or dpkg-deb failed, and said why.
    """
    subprocess.run((*_debian(name), SUITE, folder), check=True, stdout=subprocess.DEVNULL)
    for pattern in OF_THE_BUILD:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    subprocess.run(("dpkg-deb", "--extract", package, folder), check=True)
    home = folder / "usr/lib" / name
    for tests in [path for path in home.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests)
    (folder / "usr/bin/gosonde").symlink_to(f"/usr/lib/{name}/bin/gosonde")
    # Believed without a look at the time of the source, so that the bytes depend on the source alone.
    compile_all = ("python3", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", f"/usr/lib/{name}")
    subprocess.run(("chroot", folder, *compile_all), check=True)
    if name == "gosonde-collector":
        _add_collector(folder)


def _debian(name: str) -> tuple[str, ...]:
    removing = "dpkg --purge --force-remove-essential --force-depends"
    return (
        "mmdebstrap", "--quiet", "--variant=essential",
        f"--include={INCLUDED[name]}", *MERGED_USR,
        *(f"--dpkgopt={option}" for option in LEFT_OUT),
        *(f'--customize-hook=chroot "$1" {removing} {packages}' for packages in REMOVED),
    )  # fmt: skip


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
