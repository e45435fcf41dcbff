"""Processes to stop: small Python programs, one behaviour each."""

import ctypes
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PR_SET_DUMPABLE = 4
NOBODY = 65_534


@contextmanager
def running(code: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that has printed its first line."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as found:
        assert found.stdout is not None
        try:
            found.stdout.readline()
            yield found
        finally:
            found.kill()


@contextmanager
def forked(work: Callable[[], object]) -> Iterator[int]:
    """A child that does some work and then sleeps; its pid, once the work is done."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        work()
        os.write(writer, b"!")
        time.sleep(600)
        os._exit(0)
    try:
        os.read(reader, 1)
        yield child
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def as_nobody(work: Callable[[], object]) -> str:
    """The name and message of the error that some work raises in a process without any privileges."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            work()
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        found = answer.read()
    os.waitpid(child, 0)
    return found


def hide_as_nobody() -> None:
    """Has this process be nobody's, and hide from others of the same user."""
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def state(pid: int) -> str:
    """Its first letter, as /proc tells it: R, S, D, T, t, Z."""
    return _field(pid, "State")[0]


def tracer(pid: int) -> int:
    """Who traces a process; 0 for nobody."""
    return int(_field(pid, "TracerPid"))


def wait_for(condition: Callable[[], bool]) -> None:
    """Raises TimeoutError when it does not hold within a minute."""
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not come true within a minute")
        time.sleep(0.01)


def _field(pid: int, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return found[1]
