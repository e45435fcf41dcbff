"""The end of a process is heard of by whoever waits for it, however it came."""

import ctypes
import mmap
import os
import platform
import signal
import threading

import pytest
from gosonde_agent.sources.ptrace.breakpoints.death import Death

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="breakpoints are for amd64 only")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_death_of_a_process_is_heard_of(number: int) -> None:
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    death = Death(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        death.announce()
        os.write(writer, b"!")
        signal.pause()
    os.read(reader, 1)
    waiting = threading.Thread(target=death.wait, daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    os.kill(child, number)
    waiting.join(60)
    assert not waiting.is_alive()
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)


def test_a_death_that_is_past_is_heard_of_at_once() -> None:
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    death = Death(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    child = os.fork()
    if child == 0:
        death.announce()
        os._exit(0)
    os.waitpid(child, 0)
    death.wait()
