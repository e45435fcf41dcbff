"""A command that cannot go on says so in one line, or in none where nobody reads it; never with a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from gosonde_cli.commands import sites
from gosonde_cli.tables.asked import AskedOfList
from gosonde_common.errors import UnavailableError, UsageError

from tests.paths import ROOT

MAIN = "import sys; sys.argv[0] = 'gosonde'; from gosonde_cli.cli import main; main()"
DUMP = next((ROOT / "tests" / "fixtures" / "dumps").glob("*.txt"))


def run(*arguments: str, redirected: str = "") -> "subprocess.CompletedProcess[str]":
    """The command, with its streams redirected as a shell does it."""
    command = ["bash", "-c", f'"$@" {redirected}', "bash", sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ps", "--nosuch"), "No such option: --nosuch; gosonde ps --help says what there is"),
        (("nosuch",), "No such command 'nosuch'; gosonde --help says what there is"),
        (("pprof", "push"), "Missing argument 'FILE'; gosonde pprof push --help says what there is"),
        (("sites", "7", "--pid", "8"), "the process is named twice: 7 and --pid 8"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_said_in_one_line_with_where_to_look(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"gosonde: {said}\n")


def test_a_group_of_commands_alone_prints_its_help() -> None:
    done = run("pprof")
    assert done.returncode == 2
    assert "Usage: gosonde pprof" in done.stdout
    assert not done.stderr


def test_output_that_nobody_reads_ends_a_command_without_a_word() -> None:
    done = run("pprof", "show", str(DUMP), "--json", redirected="| true; exit ${PIPESTATUS[0]}")
    assert done.returncode in {0, 1}
    assert not done.stderr


def test_a_full_disk_is_said() -> None:
    done = run("pprof", "show", str(DUMP), redirected="> /dev/full")
    assert (done.returncode, done.stderr) == (
        1,
        "gosonde: cannot write to standard output: No space left on device\n",
    )


def test_closed_streams_are_as_the_null_device() -> None:
    assert run("pprof", "show", str(DUMP), redirected=">&-").returncode == 0
    without_input = run("pprof", "show", "-", redirected="<&-")
    assert (without_input.returncode, without_input.stderr) == (1, "gosonde: the profile is empty\n")
    assert run("nosuch", redirected="2>&-").returncode == 2


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "from gosonde_cli.exiting import open_standard_streams; open_standard_streams();"
        f"file = open({str(tmp_path / 'f')!r}, 'w'); assert file.fileno() > 2; print('lost')"
    )
    done = subprocess.run(
        ["bash", "-c", '"$@" >&-', "bash", sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "f").read_text() == ""


def test_a_process_that_is_named_twice_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(UsageError, match="named twice"):
        AskedOfList(process="orders", pid=7)


def test_a_collector_that_does_not_answer_is_said_without_words_of_grpc() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(UnavailableError) as raised:
            sites.sites(sites.AskedOfSites(collector=address))
    assert str(raised.value).startswith(
        f"the collector at {address} does not answer ({os.strerror(111)}); start it with"
    )
