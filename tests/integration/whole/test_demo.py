"""What `make demo` shows, held as a test: program, agent, collector and finding, with nothing in between replaced."""

import shlex
import subprocess
import sys

import pytest

from tests.paths import ROOT


@pytest.mark.usefixtures("ebpf")
def test_a_leak_is_proved_and_confirmed_by_its_own_profile_and_the_last_lines_can_be_pasted() -> None:
    done = subprocess.run([sys.executable, "scripts/demo.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The leak is found." in done.stdout
    assert "✓ proof" in done.stdout
    assert "✓ memory" in done.stdout
    assert "✓ pprof" in done.stdout
    assert "cause channel-receive" in done.stdout
    for line in done.stdout.splitlines()[-3:]:
        command = shlex.split(line)
        said = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
        assert f"gosonde {command[1]}" in said.stdout
