"""Makes a Debian package of a tree: control file, maintainer scripts, digests, and equal bytes for equal files."""

import hashlib
import os
import subprocess
from email.utils import formatdate
from pathlib import Path

from scripts.packages import tree
from scripts.packages.releases import DEBIAN, Package, Release

MAINTAINER = "The gosonde authors <authors@gosonde.invalid>"
SCRIPTS = ("postinst", "prerm", "postrm")


def pack(root: Path, package: Package, release: Release, version: str, target: Path, *, epoch: int) -> Path:
    """The package's file.

    Args:
        root: Its files as tree.lay_out leaves them.
        package: Which.
        release: For which release of Debian.
        version: The project's.
        target: The folder to write to.
        epoch: Time that all files are given, in seconds since 1970.

    Raises:
        subprocess.CalledProcessError: dpkg-deb failed, and said why.
    """
    control = root / "DEBIAN"
    control.mkdir()
    full = f"{version}-1~{release.name}"
    (control / "control").write_text(_control(root, package, release, full))
    conffiles = sorted(path for path in (root / "etc").rglob("*") if path.is_file())
    (control / "conffiles").write_text("".join(f"/{path.relative_to(root)}\n" for path in conffiles))
    changelog = root / "usr/share/doc" / package.name / "changelog.Debian.gz"
    changelog.write_bytes(tree.compressed(_changelog(package, release, full, epoch).encode()))
    (control / "md5sums").write_text(_digests(root))
    for script in SCRIPTS:
        (control / script).write_text(_script(root, package, script))
        (control / script).chmod(0o755)
    _make_equal(root, epoch)
    path = target / f"{package.name}_{full}_{release.architecture.name}.deb"
    # With more threads the bytes would depend on how many there are.
    command = ("dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--threads-max=1", "--build", root, path)
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return path


def _control(root: Path, package: Package, release: Release, version: str) -> str:
    size = sum(path.lstat().st_size for path in _files(root)) // 1024
    python = f"python3 (>= {release.python}), python3 (<< {release.next_python})"
    fields = (DEBIAN / f"{package.name}.control").read_text()
    fields = fields.replace("@PYTHON@", python).replace("@GLIBC@", str(release.glibc))
    return (
        f"Package: {package.name}\nVersion: {version}\nSection: admin\nPriority: optional\n"
        f"Architecture: {release.architecture.name}\nMaintainer: {MAINTAINER}\n"
        f"Installed-Size: {size}\n{fields}"
    )


def _changelog(package: Package, release: Release, version: str, epoch: int) -> str:
    """What Debian wants to know of a packaging; what changed for users is in changelog.gz beside it."""
    written = formatdate(epoch).replace("-0000", "+0000")
    return (
        f"{package.name} ({version}) {release.suite}; urgency=medium\n\n  * What changed is in changelog.gz.\n\n"
        f" -- {MAINTAINER}  {written}\n"
    )


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and "DEBIAN" not in path.relative_to(root).parts)


def _digests(root: Path) -> str:
    """What dpkg compares files with; configurations are not among them."""
    files = (path.relative_to(root) for path in _files(root))
    return "".join(
        f"{hashlib.md5((root / path).read_bytes(), usedforsecurity=False).hexdigest()}  {path}\n"
        for path in files
        if path.parts[0] != "etc"
    )


def _script(root: Path, package: Package, name: str) -> str:
    home = root / "usr/lib" / package.name
    slaves = (
        f"    --slave /usr/share/{link} {link.replace('/', '-')} /{path.relative_to(root)}"
        for link, path in tree.links(home)
    )
    values = {
        "PACKAGE": package.name,
        "SERVICE": f"{package.name}.service",
        "UNITS": " ".join(package.units),
        "PRIORITY": str(package.priority),
        "SLAVES": " \\\n".join(slaves),
        "USERS": " ".join(package.users),
        "GROUPS": " ".join(package.groups),
        "DATA": " ".join(f"/var/lib/{user}" for user in package.users),
    }
    text = (DEBIAN / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _make_equal(root: Path, epoch: int) -> None:
    """Takes from files what depends on when and by whom they were made."""
    for path in (root, *root.rglob("*")):
        may_run = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if may_run else 0o644)
        os.utime(path, (epoch, epoch))
