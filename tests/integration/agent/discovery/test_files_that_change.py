"""A file that is overwritten under its probes: the new program must run as if nobody watched."""

import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests import go_programs
from tests.go_programs import GoProgram
from tests.integration.watching import Watch, watching
from tests.paths import ROOT

pytestmark = pytest.mark.usefixtures("ebpf")


def poll_until(watch: Watch, done: threading.Thread) -> None:
    """What the agent does while somebody writes."""
    while done.is_alive():
        watch.observe()
        time.sleep(0.01)


def run(program: Path) -> dict[str, int]:
    """Lets churn create 1,000 goroutines."""
    done = subprocess.run([str(program)], input="run 1000\nquit\n", capture_output=True, text=True, check=True)
    answer: dict[str, int] = json.loads(done.stdout.splitlines()[1])
    return answer


def test_a_program_written_over_a_probed_file_does_not_crash(tmp_path: Path) -> None:
    target = tmp_path / "program"
    shutil.copy(go_programs.build("churn"), target)
    other = go_programs.build("churn", "1.21.13").read_bytes()
    inode = target.stat().st_ino
    with watching(exe=str(target)) as watch:
        watch.know(target)
        writer = threading.Thread(target=target.write_bytes, args=(other,))
        writer.start()
        poll_until(watch, writer)
        assert target.stat().st_ino == inode
        answer = run(target)
        assert answer["sum"] == answer["expected"]
        with GoProgram(target) as program:
            watch.observe()
            program.ask("run 50")
            watch.observe()
            assert watch.counts(program.pid, "main.spawn") == (50, 50), "the new program is watched in its own right"


def test_a_file_that_is_open_for_writing_gets_no_probes_that_outlive_a_process(tmp_path: Path) -> None:
    target = tmp_path / "program"
    shutil.copy(go_programs.build("churn"), target)
    with watching(exe=str(target)) as watch, target.open("r+b") as writer:
        with pytest.raises(Exception, match="open for writing"):
            watch.know(target)
        writer.close()
        watch.know(target)


def test_the_agent_gives_a_file_back_while_it_waits_for_the_next_interval(tmp_path: Path) -> None:
    target = tmp_path / "program"
    shutil.copy(go_programs.build("churn"), target)
    arguments = ["--listen", f"unix:{tmp_path}/a.sock", "--state", str(tmp_path), "--exe", str(target)]
    config = tmp_path / "agent.toml"
    config.write_text("interval_seconds = 3600.0\n")
    gosonde = ROOT / ".venv" / "bin" / "gosonde"
    agent = subprocess.Popen([gosonde, "agent", "--config", config, *arguments], stderr=subprocess.PIPE)
    try:
        with GoProgram(target):
            assert agent.stderr is not None
            next(line for line in agent.stderr if b"agent started" in line)
        began = time.monotonic()
        target.write_bytes(go_programs.build("churn", "1.21.13").read_bytes())
        # /proc/sys/fs/lease-break-time is 45 s: without an answer the kernel would make the writer wait that long.
        assert time.monotonic() - began < 30
        answer = run(target)
        assert answer["sum"] == answer["expected"]
    finally:
        agent.kill()
        agent.communicate()
