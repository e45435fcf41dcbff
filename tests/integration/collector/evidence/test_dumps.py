"""What real Go programs print as they die, and what their own profile is cut to, is read and shown."""

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from tests import toolchains
from tests.go_programs import build, site_line
from tests.paths import ROOT

GOSONDE = ROOT / ".venv" / "bin" / "gosonde"
VERSIONS = (toolchains.VERSIONS[0], toolchains.VERSIONS[3], toolchains.DEFAULT)
WAITING = 7


def died(version: str, how: str, number: int = WAITING, **env: str) -> bytes:
    """What the program wrote until its end."""
    command = [str(build("dying", version)), how, str(number)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"GOTRACEBACK": "all"} | env
    ) as program:
        assert program.stdout
        if how == "quit":
            assert program.stdout.readline() == b"ready\n"
            program.send_signal(signal.SIGQUIT)
        return program.stdout.read()


def shown(dump: bytes) -> dict[str, Any]:
    done = subprocess.run([GOSONDE, "pprof", "show", "-", "--json"], input=dump, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def holds(dump: dict[str, Any]) -> None:
    """The goroutines that wait are all there, at their statement and with their cause."""
    site = dump["sites"][0]
    assert (site["function"], site["line"], site["goroutines"]) == ("main.start", site_line("dying", "start"), WAITING)
    assert (site["start_function"], site["cause"]) == ("main.wait", "channel-receive")
    assert "main goroutine" in {site["function"] for site in dump["sites"]}
    assert dump["passed_over"] == 0


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("traceback", ["all", "system", "crash"])
def test_a_sigquit_dump_is_read_with_every_traceback_setting(version: str, traceback: str) -> None:
    dump = shown(died(version, "quit", GOTRACEBACK=traceback))
    holds(dump)
    assert {"SIGQUIT dump", "registers"} <= set(dump["recognized"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("how", "kind"), [("panic", "panic"), ("deadlock", "deadlock")])
def test_a_panic_and_a_deadlock_are_read_and_named(version: str, how: str, kind: str) -> None:
    dump = shown(died(version, how))
    holds(dump)
    assert kind in dump["recognized"]


def test_a_profile_that_go_cuts_at_64_mib_shows_its_whole_goroutines() -> None:
    dump = shown(died(toolchains.DEFAULT, "profile", 250_000))
    assert "64 MiB" in dump["partial"]
    assert dump["sites"][0]["function"] == "main.start"
    assert 100_000 < dump["sites"][0]["goroutines"] < 250_000


def test_the_text_keeps_to_80_columns_and_names_the_remedy() -> None:
    dump = died(toolchains.DEFAULT, "panic")
    done = subprocess.run([GOSONDE, "pprof", "show", "-"], input=dump, capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("Close the channel" in line for line in lines)


@pytest.mark.parametrize(
    "data", [b"", b"no goroutine here\n", b"\x7fELF\0\0\0\0\0\0\0\0"], ids=["empty", "text", "ELF"]
)
def test_what_shows_no_goroutine_ends_with_1_and_says_why(data: bytes) -> None:
    done = subprocess.run([GOSONDE, "pprof", "show", "-"], input=data, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"profile" in done.stderr
