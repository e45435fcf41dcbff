"""Every command takes -h, says its version, and takes a process in the same way."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from gosonde_cli import cli, here
from gosonde_common import __version__
from gosonde_common.errors import UsageError

RUN = (sys.executable, "-c", "from gosonde_cli.cli import main; main()")


def commands(group: Any, *prefix: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *prefix, name)
        else:
            yield (*prefix, name), command


EVERY = dict(commands(typer.main.get_command(cli.app())))


def test_the_version_is_said() -> None:
    assert subprocess.check_output((*RUN, "--version"), text=True) == f"gosonde {__version__}\n"


@pytest.mark.parametrize("command", [("ps",), ("probes", "off")], ids=" ".join)
def test_help_is_short_too(command: tuple[str, ...]) -> None:
    assert f" {' '.join(command)} [OPTIONS] [PROCESS]" in subprocess.check_output((*RUN, *command, "-h"), text=True)


def test_every_command_but_that_of_systemd_and_the_live_view_has_json() -> None:
    without = [name for name, command in EVERY.items() if not any("--json" in p.opts for p in command.params)]
    assert without == [("top",), ("helper",)]


def test_every_command_about_a_process_takes_it_as_argument_and_as_pid() -> None:
    with_argument = {
        name for name, command in EVERY.items() if any(p.name in {"process", "target"} for p in command.params)
    }
    with_pid = {name for name, command in EVERY.items() if any("--pid" in p.opts for p in command.params)}
    assert len(with_argument) >= 10
    assert with_pid - with_argument == {("agent",)}
    assert with_argument <= with_pid


@pytest.mark.parametrize("which", ["0", "4294967296", "9" * 30])
def test_a_number_that_is_no_process_id_is_wrong_usage(which: str) -> None:
    with pytest.raises(UsageError, match="is not a process id"):
        here.pid_of(which)


def test_a_process_that_is_not_named_or_named_twice_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="gosonde ps lists"):
        here.pid_of(here.chosen("", None))
    with pytest.raises(UsageError, match="named twice"):
        here.chosen("orders", 7)
    assert here.chosen("", 7) == "7"
