"""Lays out the files of a package as they are below / of the host that installs it."""

import gzip
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.packages import wheels
from scripts.packages.releases import DEBIAN, ROOT, Package, Release

SYSTEMD = ROOT / "systemd"
#: Below a package's own folder.
LIBRARIES = "lib/gosonde/python"


def lay_out(root: Path, package: Package, release: Release, folders: Sequence[Path]) -> None:
    """Fills the folder.

    Args:
        root: An empty folder.
        package: Which.
        release: For which release of Debian.
        folders: Those of the wheels.

    Raises:
        subprocess.CalledProcessError: A tool failed, and said why.
    """
    home = root / "usr/lib" / package.name
    _libraries(home / LIBRARIES, package, release, folders)
    _copy(ROOT / "scripts/gosonde", home / "bin/gosonde", 0o755)
    subprocess.run((sys.executable, ROOT / "scripts/write_manual.py", home / "share"), check=True)
    for page in (home / "share/man/man1").iterdir():
        _compress(page, page.with_name(f"{page.name}.gz"))
        page.unlink()
    for unit in (*package.units, *package.further_units):
        _unit(package, unit, root / "usr/lib/systemd/system" / unit)
    for kind in ("sysusers", "tmpfiles"):
        _copy(SYSTEMD / f"{kind}-{package.service}.conf", root / f"usr/lib/{kind}.d/{package.name}.conf")
    _copy(SYSTEMD / f"{package.service}.toml", root / f"etc/gosonde/{package.service}.toml")
    _documentation(root / "usr/share/doc" / package.name)
    _copy(DEBIAN / "lintian-overrides", root / "usr/share/lintian/overrides" / package.name)
    # Links to the command's pages and completions are made when the package is installed.
    for link, _ in links(home):
        (root / "usr/share" / link).parent.mkdir(parents=True, exist_ok=True)


def probes_of(root: Path, package: Package) -> Path:
    """The folder of the probes."""
    return root / "usr/lib" / package.name / LIBRARIES / "gosonde_agent/probes"


def links(home: Path) -> Iterator[tuple[str, Path]]:
    """What comes and goes with the command, below /usr/share, and where it is below the package's own folder."""
    share = home / "share"
    for page in sorted((share / "man/man1").iterdir()):
        yield f"man/man1/{page.name}", page
    yield "bash-completion/completions/gosonde", share / "bash-completion/completions/gosonde"
    yield "fish/vendor_completions.d/gosonde.fish", share / "fish/vendor_completions.d/gosonde.fish"
    yield "zsh/vendor-completions/_gosonde", share / "zsh/site-functions/_gosonde"


def _libraries(target: Path, package: Package, release: Release, folders: Sequence[Path]) -> None:
    found = [f"--find-links={folder}" for folder in folders]
    wheels.pip(
        "install", "--no-index", *found, "--no-compile", "--target", target, *release.for_pip,
        # Else pip compares them with the Python that it runs on.
        "--ignore-requires-python",
        f"gosonde[{package.extras}]",
    )  # fmt: skip
    # Scripts that name the Python that ran pip.
    shutil.rmtree(target / "bin")
    # Modules are imported and loaded, never run, but some wheels have them executable.
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _unit(package: Package, unit: str, target: Path) -> None:
    text = (SYSTEMD / unit).read_text()
    text = text.replace("/usr/local/bin/", f"/usr/lib/{package.name}/bin/")
    text = text.replace("/usr/local/share/doc/gosonde/", f"/usr/share/doc/{package.name}/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def _documentation(folder: Path) -> None:
    for path in (*(ROOT / "docs").glob("*.md"), ROOT / "LICENSE", *(ROOT / "LICENSES").iterdir()):
        _copy(path, folder / path.name)
    text = (DEBIAN / "copyright").read_text()
    (folder / "copyright").write_text(text.replace("@PACKAGE@", folder.name))
    _compress(ROOT / "CHANGELOG.md", folder / "changelog.gz")


def _copy(source: Path, target: Path, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _compress(source: Path, target: Path) -> None:
    target.write_bytes(compressed(source.read_bytes()))


def compressed(content: bytes) -> bytes:
    """Equal bytes for equal content, as small as gzip makes them."""
    return gzip.compress(content, mtime=0)
