"""`gosonde goroutines --pprof` writes what other tools show: the page of `go tool pprof -http`, and speedscope."""

import functools
import http.server
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import browser, real_binaries, toolchains
from tests.collector_process import GOSONDE, PATIENCE_S
from tests.go_programs import GoProgram, build

#: (npm package, its version).
SPEEDSCOPE = ("speedscope", "1.25.0")
FUNCTION = "main.waitGroup"


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("profile") / "goroutines.pb.gz"
    with GoProgram(build("parked"), "3") as program:
        command: list[str | Path] = [GOSONDE, "goroutines", str(program.pid), "--pprof", file]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
    return file


def test_the_page_of_go_tool_pprof_shows_it(profile: Path, tmp_path: Path) -> None:
    port = real_binaries.free_port()
    # `go tool` starts another process, which ends with this one's.
    apart = ("unshare", "--pid", "--fork", "--kill-child")
    command = [*apart, str(toolchains.go()), "tool", "pprof", f"-http=127.0.0.1:{port}", "-no_browser", str(profile)]
    with real_binaries.running(command, port, tmp_path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ui/flamegraph", timeout=PATIENCE_S) as answer:
            assert FUNCTION in answer.read().decode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ui/top", timeout=PATIENCE_S) as answer:
            assert FUNCTION in answer.read().decode()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a web server of a folder."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_speedscope_shows_it(profile: Path, tmp_path: Path) -> None:
    folder = tmp_path / "speedscope"
    shutil.copytree(real_binaries.npm(*SPEEDSCOPE) / "dist" / "release", folder)
    shutil.copy(profile, folder / profile.name)
    with served(folder) as address, browser.browser() as started:
        page = started.new_page()
        page.goto(f"{address}/index.html#profileURL={address}/{profile.name}&view=sandwich")
        expect(page.get_by_text(FUNCTION, exact=True).first).to_be_visible()
