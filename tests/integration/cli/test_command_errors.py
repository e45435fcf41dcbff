"""What goes wrong with a target is said in one clear sentence, with the exit code that the documentation names."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import go_programs
from tests.go_programs import GoProgram

GOSONDE = str(Path(sys.executable).parent / "gosonde")
Start = Callable[..., GoProgram]


def gosonde(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user would."""
    return subprocess.run([GOSONDE, *arguments], capture_output=True, text=True, timeout=60, check=False)


def patched(folder: Path, old: bytes, new: bytes) -> Path:
    """A copy of a Go program with every occurrence of some bytes replaced."""
    content = go_programs.build("churn").read_bytes()
    assert content.count(old) > 0
    assert len(old) == len(new)
    target = folder / "program"
    target.write_bytes(content.replace(old, new))
    target.chmod(0o755)
    return target


@pytest.mark.usefixtures("ebpf")
def test_a_pid_that_does_not_exist_is_named() -> None:
    done = gosonde("trace", "--pid", "4194303")
    assert done.returncode == 1
    assert "4194303" in done.stderr


@pytest.mark.usefixtures("ebpf")
def test_a_process_that_is_no_go_program_is_refused() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        done = gosonde("trace", "--pid", str(sleeper.pid))
        sleeper.kill()
    assert done.returncode == 3
    assert "not a Go binary" in done.stderr


@pytest.mark.parametrize("command", [("inspect", "/etc/passwd"), ("trace", "--exe", "/etc/passwd")])
@pytest.mark.usefixtures("ebpf")
def test_a_file_that_is_no_program_is_refused(command: tuple[str, ...]) -> None:
    done = gosonde(*command)
    assert done.returncode == 3
    assert "not an ELF file" in done.stderr


def test_a_go_that_is_too_old_is_refused_by_name(tmp_path: Path) -> None:
    done = gosonde("inspect", str(patched(tmp_path, b"go1.27.3", b"go1.16.3")))
    assert done.returncode == 3
    assert "go1.16.3 is not supported" in done.stderr


def test_a_32_bit_program_is_refused() -> None:
    done = gosonde("inspect", str(go_programs.build("churn", env={"GOARCH": "386"})))
    assert done.returncode == 3
    assert "32-bit" in done.stderr


@pytest.mark.parametrize("length", [10, 63, 500, 4_096, 1_000_000])
def test_a_program_that_is_cut_off_is_refused(tmp_path: Path, length: int) -> None:
    target = tmp_path / "program"
    target.write_bytes(go_programs.build("churn").read_bytes()[:length])
    done = gosonde("inspect", str(target))
    assert done.returncode == 1
    assert "cut off" in done.stderr or "outside the file" in done.stderr


def test_a_damaged_pclntab_is_refused(tmp_path: Path) -> None:
    header = b"\xf1\xff\xff\xff\x00\x00\x01\x08"
    target = patched(tmp_path, header, b"\xf1\xff\xff\xff\x07\x07\x01\x08")
    done = gosonde("inspect", str(target))
    assert done.returncode == 3
    assert "pclntab" in done.stderr


def test_a_command_that_does_not_exist_is_named() -> None:
    done = gosonde("trace", "--", "no-such-program-anywhere")
    assert done.returncode == 1
    assert "no-such-program-anywhere" in done.stderr


def test_saying_two_things_to_trace_is_wrong_usage() -> None:
    done = gosonde("trace", "--pid", "1", "--exe", "/bin/true")
    assert done.returncode == 2


def test_a_collector_that_is_not_there_is_named_with_what_to_do() -> None:
    done = gosonde("findings", "--collector", "127.0.0.1:1")
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr


@pytest.mark.usefixtures("ebpf")
def test_without_privileges_trace_says_what_is_missing(go_program: Start) -> None:
    program = go_program("churn")
    command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", GOSONDE, "trace", "--pid", str(program.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert "CAP_BPF" in done.stderr


@pytest.mark.usefixtures("ebpf")
def test_trace_prints_the_documented_document(go_program: Start, tmp_path: Path) -> None:
    program = go_program("churn")
    command = [GOSONDE, "trace", "--pid", str(program.pid), "--duration", "3", "--json"]
    with (tmp_path / "document").open("w+") as output, subprocess.Popen(command, stdout=output) as tracing:
        while tracing.poll() is None:  # it stops the world also while the totals are read for the last time
            program.ask("run 100")
            program.ask("gc 20")
        document = json.loads((tmp_path / "document").read_text())
    assert tracing.returncode == 0
    assert document["process"]["pid"] == program.pid
    source = {"source", "source_because", "source_costs", "source_cannot", "source_left"}
    verdict = {"suspects", "looked_at", "not_known", "too_early"}
    assert set(document) == {"process", "sites", "totals", "gc", "lost", "cost", *source, *verdict}
    site = next(site for site in document["sites"] if site["function"] == "main.spawn")
    assert site["baseline"] + site["created"] == site["exited"] + site["live"] > 0
    assert document["totals"]["created"] == sum(site["created"] for site in document["sites"])
    assert document["gc"]["pause_total_ns"] == sum(
        pause["duration_ns"] for pause in document["gc"]["pauses"] if pause["reason"].startswith("GC ")
    )
    assert not any(document["lost"].values())
