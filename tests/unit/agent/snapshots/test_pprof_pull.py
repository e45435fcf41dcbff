"""Profiles are fetched from the process that they are of, within bounds, and from nobody else."""

import gzip
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from gosonde_agent.snapshots import pprof_pull
from gosonde_agent.snapshots.pprof_allowed import place, place_of
from gosonde_agent.snapshots.pprof_pull import PprofPuller
from gosonde_common.errors import (
    GosondeError,
    OverloadedError,
    UnavailableError,
    UnsupportedError,
    UsageError,
)

ME = os.getpid()
PROFILE = gzip.compress(b"\x32\x00" * 100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/srv/app", "is not GLOB=URL"),
        ("app=http://127.0.0.1:6060", "is not GLOB=URL"),
        ("/srv/app=https://127.0.0.1:6060", "is neither"),
        ("/srv/app=http://127.0.0.1", "is neither"),
        ("/srv/app=http://127.0.0.1:6060/debug?x=1", "is neither"),
        ("/srv/app=http://user@127.0.0.1:6060/", "is neither"),
        ("/srv/app=http://10.0.0.1:6060/", "not on a loopback address"),
        ("/srv/app=http://metadata.example:80/", "not on a loopback address"),
        ("/srv/app=http://127.0.0.1:99999/", "is not a URL"),
        ("/srv/app=unix:relative", "is neither"),
    ],
)
def test_what_is_not_on_this_host_or_no_address_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        place(text)


def test_the_first_glob_that_matches_says_where() -> None:
    places = [place("/srv/a*=http://localhost:1/x/"), place("*=http://[::1]:2"), place("/never=unix:/run/p.sock")]
    assert str(place_of(places, "/srv/app")) == "http://127.0.0.1:1/x"
    assert str(place_of(places, "/other")) == "http://[::1]:2/debug/pprof"
    assert place_of(places[:1], "/other") is None


Answer = Callable[[BaseHTTPRequestHandler], None]


def ok(data: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[PprofPuller, list[str]]]:
    """(puller that may ask this process, paths that were asked for)."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield PprofPuller([place(f"*=http://127.0.0.1:{server.server_port}/debug/pprof")]), asked
        server.shutdown()


@contextmanager
def another_process() -> Iterator[subprocess.Popen[bytes]]:
    """One that listens nowhere."""
    with subprocess.Popen(("sleep", "infinity")) as process:
        yield process
        process.kill()


def test_a_profile_is_fetched_from_the_process_that_listens() -> None:
    with serving(ok(PROFILE)) as (puller, asked):
        assert puller.take(ME, "goroutine") == PROFILE
    assert asked == ["/debug/pprof/goroutine"]


def test_a_port_of_another_process_is_not_even_asked() -> None:
    with (
        serving(ok(PROFILE)) as (puller, asked),
        another_process() as other,
        pytest.raises(UnsupportedError, match=f"process {other.pid} does not listen at"),
    ):
        puller.take(other.pid, "goroutine")
    assert asked == []


def test_an_executable_that_is_not_allowed_is_not_asked() -> None:
    with pytest.raises(UnsupportedError, match="does not allow pprof of"):
        PprofPuller([place("/nobody=http://127.0.0.1:1")]).take(ME, "goroutine")


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:1/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def missing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    handler.close_connection = True


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(2 * len(PROFILE)))
    handler.end_headers()
    handler.wfile.write(PROFILE)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (redirect, UnsupportedError, "answers 302 Found; redirects are not followed"),
        (missing, UnsupportedError, "answers 404 Not Found"),
        (nonsense, UnavailableError, "does not answer as HTTP"),
        (cut_off, UnavailableError, "broke it off"),
        (ok(b"goroutine profile: total 1\n"), UnsupportedError, "does not answer with a gzipped profile"),
        (ok(PROFILE + bytes(pprof_pull.MAX_BYTES)), OverloadedError, "more than"),
    ],
)
def test_any_other_answer_is_refused_with_the_reason(answer: Answer, error: type[GosondeError], words: str) -> None:
    with serving(answer) as (puller, _), pytest.raises(error, match=words):
        puller.take(ME, "goroutine")


def test_an_answer_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pprof_pull, "ANSWER_SECONDS", 0.3)
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not over.wait(0.05):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    with serving(drip) as (puller, _), pytest.raises(UnavailableError):
        puller.take(ME, "goroutine")
    over.set()


def test_a_unix_socket_shows_who_listens(tmp_path: Path) -> None:
    path = tmp_path / "pprof.sock"
    with socket.socket(socket.AF_UNIX) as listener, another_process() as other:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=answer_once, args=(listener,), daemon=True).start()
        puller = PprofPuller([place(f"*=unix:{path}")])
        assert puller.take(ME, "heap") == PROFILE
        with pytest.raises(UnsupportedError, match=f"process {ME} listens at"):
            puller.take(other.pid, "heap")


def answer_once(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        assert connection.recv(65_536).startswith(b"GET /debug/pprof/heap HTTP/1.1")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PROFILE) + PROFILE)
