"""The Go programs that other tests rely on do what they say, and are built as asked."""

import os
import subprocess
from collections.abc import Callable

import pytest

from tests import go_programs, toolchains
from tests.go_programs import GoProgram

OLDEST = toolchains.VERSIONS[0]
#: What needs a newer one.
NEWER = {"labels_requests": "1.23.9"}
NEED_CGO = {"callbacks", "library", "plugged", "vforks"}
PROGRAMS = sorted(path.parent.name for path in go_programs.SOURCES.glob("*/main.go"))
Start = Callable[..., GoProgram]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_is_built_by_the_oldest_toolchain_that_has_what_it_needs(program: str) -> None:
    env = {"CGO_ENABLED": "1"} if program in NEED_CGO else None
    assert os.access(go_programs.build(program, NEWER.get(program, OLDEST), env=env), os.X_OK)


def test_churn_computes_the_right_sum_and_collects_as_often_as_told(go_program: Start) -> None:
    churn = go_program("churn")
    answer = churn.ask("run 2500")
    assert (answer["created"], answer["exited"], answer["sum"]) == (2500, 2500, answer["expected"])
    before = churn.ask("memstats")
    churn.ask("gc 3")
    after = churn.ask("memstats")
    assert after["NumForcedGC"] - before["NumForcedGC"] == 3
    assert len(after["PauseNs"]) == len(after["PauseEnd"]) == 256


@pytest.mark.parametrize("name", ["leak", "forgotten"])
def test_a_program_leaks_from_one_statement_and_serves_a_port(go_program: Start, name: str) -> None:
    leak = go_program(name, "200")
    assert 0 < leak.ready["port"] < 65536
    while (counts := leak.ask("counts"))["leak"]["created"] < 3:
        continue
    assert counts["leak"]["exited"] == 0
    assert counts["healthy"]["created"] >= counts["healthy"]["exited"] > 0


def test_short_ends_by_itself(go_program: Start) -> None:
    short = go_program("short", "7")
    assert (short.ready["created"], short.ready["exited"]) == (7, 7)
    assert short.wait() == 0


def test_alloc_keeps_the_garbage_collector_busy_and_its_lists_whole(go_program: Start) -> None:
    answer = go_program("alloc").ask("run 1")
    assert answer["right"] is True
    assert answer["NumGC"] > 1


def test_deep_computes_the_right_sums_and_counts_its_goroutines(go_program: Start) -> None:
    answer = go_program("deep").ask("run 2")
    assert answer["right"] is True
    assert answer["dive"] == 20
    assert answer["level"] > answer["dive"]


def test_load_works_until_it_is_stopped(go_program: Start) -> None:
    load = go_program("load")
    while load.ask("status")["rounds"] < 2:
        continue
    answer = load.ask("stop")
    assert answer["right"] is True
    assert answer["generate"] == answer["rounds"]


def test_execer_becomes_another_program_with_the_same_pid(go_program: Start) -> None:
    execer = go_program("execer", "5", str(go_programs.build("short")), "3")
    assert execer.ask("exec")["created"] == 5
    became = execer.answer()
    assert (became["pid"], became["created"]) == (execer.pid, 3)
    assert execer.wait() == 0


def test_a_program_is_killed_at_the_end_of_its_block() -> None:
    with GoProgram(go_programs.build("churn")) as program:
        assert program.alive()
    assert not program.alive()


def test_a_program_that_ends_instead_of_answering_is_an_error(go_program: Start) -> None:
    churn = go_program("churn")
    with pytest.raises(RuntimeError, match="unknown command"):
        churn.ask("dance")
    churn.ask("quit")
    with pytest.raises(RuntimeError, match="ended with 0"):
        churn.answer()


def test_a_build_is_kept_and_another_flag_makes_another_one() -> None:
    plain = go_programs.build("short")
    built = plain.stat().st_mtime_ns
    assert go_programs.build("short").stat().st_mtime_ns == built
    stripped = go_programs.build("short", ldflags=("-s", "-w"))
    assert stripped != plain
    assert stripped.stat().st_size < plain.stat().st_size


def test_a_site_is_found_by_its_marker_alone() -> None:
    line = go_programs.site_line("churn", "spawn")
    assert "go work(" in (go_programs.SOURCES / "churn" / "main.go").read_text().splitlines()[line - 1]
    with pytest.raises(ValueError, match="0 lines"):
        go_programs.site_line("churn", "nowhere")


def test_the_toolchain_of_path_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("GOROOT", "/nonexistent")
    command = (str(toolchains.go()), "version")
    done = subprocess.run(command, env=toolchains.environment(), capture_output=True, text=True, check=True)
    assert f"go{toolchains.DEFAULT} " in done.stdout


def test_a_toolchain_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.20\.0"):
        toolchains.go("1.20.0")
