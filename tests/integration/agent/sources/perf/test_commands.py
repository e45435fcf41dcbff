"""A command that perf events watch is counted from its first instruction on: it stands there until they are open."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gosonde_agent.watch.trace.tracing import trace_command
from gosonde_common.errors import GosondeError

from tests.go_programs import build

GOSONDE = str(Path(sys.executable).with_name("gosonde"))
SOURCES = ("perf-breakpoints", "perf-uprobes")


@pytest.mark.parametrize("buildmode", ["exe", "pie"])
@pytest.mark.parametrize("source", SOURCES)
def test_all_goroutines_of_a_process_that_lives_for_milliseconds_are_counted(source: str, buildmode: str) -> None:
    command = [GOSONDE, "trace", "--source", source, "--json", "--", str(build("short", buildmode=buildmode)), "700"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    document = json.loads(done.stdout.partition("\n")[2])
    rows = [site for site in document["sites"] if site["function"] == "main.spawn"]
    assert [(site["baseline"], site["created"], site["exited"]) for site in rows] == [(0, 700, 700)]
    assert document["process"]["counted_from_start"]
    assert document["process"]["precise"]
    assert not any(document["lost"].values())


def test_what_is_no_go_program_is_refused_and_does_not_stay_behind_standing() -> None:
    with (
        pytest.raises(GosondeError, match="not a Go"),
        trace_command(["sleep", "1000"], "/bin/sleep", 1.0, lambda _elapsed, _so_far: None, SOURCES[0]),
    ):
        pass
    assert not subprocess.run(["pgrep", "--parent", str(os.getpid()), "sleep"], capture_output=True, check=False).stdout
