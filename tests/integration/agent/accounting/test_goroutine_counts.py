"""What the probes count equals what the programs themselves count, exactly."""

import time
from collections.abc import Callable

import pytest

from tests import go_programs
from tests.go_programs import GoProgram, site_line
from tests.integration.watching import watching

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
VERSIONS_IN_CI = ("1.21.13", "1.24.11", "1.27.3")


@pytest.mark.parametrize("processors", [1, 2])
@pytest.mark.parametrize("goroutines", [1, 1_000, 1_000_000])
def test_every_goroutine_is_counted_once_by_its_go_statement(
    go_program: Start, goroutines: int, processors: int
) -> None:
    program = go_program("churn", env={"GOMAXPROCS": str(processors)})
    with watching(pid=program.pid) as watch:
        answer = program.ask(f"run {goroutines}")
        watch.observe()
        counted = watch.counts(program.pid, "main.spawn", site_line("churn", "spawn"))
        assert counted == (answer["created"], answer["exited"]) == (goroutines, goroutines)
        assert watch.nothing_lost()
        assert answer["sum"] == answer["expected"]


@pytest.mark.parametrize("version", VERSIONS_IN_CI)
def test_counts_are_exact_on_old_and_new_versions_of_go(go_program: Start, version: str) -> None:
    program = go_program("churn", version=version)
    with watching(pid=program.pid) as watch:
        program.ask("run 12345")
        watch.observe()
        assert watch.counts(program.pid, "main.spawn") == (12_345, 12_345)
        assert watch.process(program.pid).go_version == f"go{version}"


@pytest.mark.parametrize("version", VERSIONS_IN_CI)
def test_a_site_names_what_its_goroutines_run_not_the_compilers_wrapper(version: str) -> None:
    expected = {
        ("main.leak", "main.block"),
        ("main.healthy", "main.finish"),
        ("main.main", "net/http.Serve"),
        ("runtime.gcenable", "runtime.bgsweep"),
    }
    executable = go_programs.build("leak", version)
    with watching(exe=str(executable)) as watch:
        watch.know(executable)
        with GoProgram(executable, "100"):
            end = time.monotonic() + 20
            started: set[tuple[str, str]] = set()
            while not expected <= started and time.monotonic() < end:
                time.sleep(0.05)
                watch.observe()
                started = {(site.function, site.start_function) for _, _, site in watch.sites}
    assert expected <= started


@pytest.mark.parametrize("build", [{"ldflags": ("-s", "-w")}, {"buildmode": "pie"}])
def test_stripped_and_position_independent_programs_are_counted_and_named_alike(
    go_program: Start, build: dict[str, object]
) -> None:
    program = go_program("churn", **build)
    with watching(pid=program.pid) as watch:
        program.ask("run 5000")
        watch.observe()
        assert watch.counts(program.pid, "main.spawn", site_line("churn", "spawn")) == (5_000, 5_000)


def test_a_stack_that_grows_in_a_probed_function_is_not_counted_twice(go_program: Start) -> None:
    program = go_program("deep")
    with watching(pid=program.pid) as watch:
        answer = program.ask("run 200")
        watch.observe()
        for marker, function in (("dive", "main.spawn"), ("level", "main.dive")):
            counted = watch.counts(program.pid, function, site_line("deep", marker))
            assert counted == (answer[marker], answer[marker])
        assert answer["right"]


def test_a_process_that_starts_after_its_file_is_known_is_counted_from_its_first_goroutine() -> None:
    executable = go_programs.build("churn")
    with watching(exe=str(executable)) as watch:
        watch.know(executable)
        with GoProgram(executable) as program:
            program.ask("run 777")
            watch.observe()
            assert watch.process(program.pid).counted_from_start
            assert watch.counts(program.pid, "main.spawn") == (777, 777)
            assert watch.counts(program.pid, "main goroutine") == (1, 0)


def test_a_process_that_lives_for_milliseconds_is_counted_when_its_file_is_known() -> None:
    executable = go_programs.build("short")
    with watching(exe=str(executable)) as watch:
        watch.know(executable)
        for _ in range(20):
            with GoProgram(executable, "500") as program:
                program.wait()
        watch.observe()
        watch.observe()
        ended = [process for process in watch.processes.values() if process.ended_unix_nano]
        assert len(ended) == 20
        assert all(process.counted_from_start for process in ended)
        counts = [watch.counts(process.key.pid, "main.spawn", site_line("short", "spawn")) for process in ended]
        assert counts == [(500, 500)] * 20


def test_a_process_that_runs_an_unknown_file_says_since_when_it_is_counted() -> None:
    executable = go_programs.build("churn", ldflags=("-X=main.unused=1",))
    with watching(exe=str(executable)) as watch, GoProgram(executable) as program:
        watch.observe()
        program.ask("run 50")
        watch.observe()
        process = watch.process(program.pid)
        assert not process.counted_from_start
        assert process.counted_since_unix_nano >= process.started_unix_nano
        assert watch.counts(program.pid, "main.spawn") == (50, 50)


def test_a_process_that_ends_leaves_its_final_totals(go_program: Start) -> None:
    program = go_program("churn")
    with watching(pid=program.pid) as watch:
        program.ask("run 1000")
        program.ask("quit")
        program.wait()
        watch.observe_until_ended(program.pid)
        assert watch.counts(program.pid, "main.spawn") == (1_000, 1_000)
        watch.processes.clear()
        watch.observe()
        assert not watch.processes, "an ended process is reported once"


def test_two_processes_of_one_file_are_counted_apart() -> None:
    executable = go_programs.build("churn")
    with watching(exe=str(executable)) as watch, GoProgram(executable) as one, GoProgram(executable) as other:
        watch.observe()
        one.ask("run 300")
        other.ask("run 4000")
        watch.observe()
        assert watch.counts(one.pid, "main.spawn") == (300, 300)
        assert watch.counts(other.pid, "main.spawn") == (4_000, 4_000)


def test_only_the_process_that_is_meant_is_probed(go_program: Start) -> None:
    selected, other = go_program("churn"), go_program("churn")
    with watching(pid=selected.pid) as watch:
        other.ask("run 100")
        selected.ask("run 10")
        watch.observe()
        assert {pid for pid, _, _ in watch.sites} == {selected.pid}


def test_a_process_that_execs_another_program_is_counted_as_two(go_program: Start) -> None:
    successor = go_programs.build("churn")
    program = go_program("execer", "250", str(successor))
    with watching(exe="*") as watch:
        before = program.ask("exec")
        assert program.answer()["ready"]
        program.ask("run 60")
        time.sleep(0.05)
        watch.observe()
        assert watch.counts(program.pid, "main.spawn", site_line("execer", "spawn")) == (250, before["exited"])
        watch.observe()
        program.ask("run 40")
        watch.observe()
        images = [process for (pid, _), process in watch.processes.items() if pid == program.pid]
        assert [process.exe for process in sorted(images, key=lambda p: p.started_unix_nano)][-1] == str(successor)
        assert len(images) == 2
