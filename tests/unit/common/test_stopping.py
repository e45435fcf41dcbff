"""A service that is told to stop does, in order or not, and at once when it is told twice."""

import signal
import subprocess
import sys
import textwrap

#: A service that says when it may be told to stop, and never does so by itself.
SERVICE = """
import asyncio
from gosonde_common.stopping import on_stop

async def serve():
    on_stop(lambda: print("stopping", flush=True), {seconds})
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(serve())
"""


def service(seconds: float) -> "subprocess.Popen[str]":
    code = textwrap.dedent(SERVICE).format(seconds=seconds)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_what_takes_too_long_to_stop_is_ended_with_a_word() -> None:
    process = service(0.2)
    process.send_signal(signal.SIGTERM)
    said, logged = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.startswith("stopping\n")
    assert "not everything was done in time" in said + logged


CLOSING = """
import asyncio, threading, time
from gosonde_common.stopping import on_stop
from gosonde_common.unbroken import unbroken

def close():
    with unbroken():
        print("closing", flush=True)
        time.sleep(0.5)
        print("closed", flush=True)
    with unbroken():
        print("another", flush=True)

async def serve():
    on_stop(threading.Thread(target=close, daemon=True).start, 3600)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(serve())
"""


def test_an_end_waits_for_the_close_that_is_under_way_and_begins_no_other() -> None:
    command = [sys.executable, "-c", CLOSING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "closing\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "closed\n"
    assert process.returncode == -signal.SIGTERM


def test_a_second_signal_ends_it_at_once() -> None:
    process = service(3600)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
