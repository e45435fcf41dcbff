"""Who cannot have breakpoints is refused with the reason, and is as before."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from gosonde_agent.golang.binary import load
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.host.cache_folder import cache_folder
from gosonde_agent.model.errors import NoSuchProcessError, UnreadableFileError, UnsupportedBinaryError
from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.ptrace.breakpoints import messages
from gosonde_agent.sources.ptrace.breakpoints.finding import breakpoints
from gosonde_agent.sources.ptrace.breakpoints.session import Session
from gosonde_agent.sources.ptrace.errors import AlreadyTracedError, TextChangedError, TooManyThreadsError

from tests.go_programs import GoProgram, build, site_line
from tests.integration.agent.sources.ptrace.breakpoints.sessions import by_line, plan, session
from tests.integration.agent.sources.ptrace.targets import NOBODY, as_nobody, tracer, wait_for

StartProgram = Callable[..., GoProgram]


def test_a_process_that_another_one_traces_is_refused_with_its_name(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as first, session(program.pid) as second:
        first.arm(600.0)
        first.disarm()
        first.arm(600.0)
        with pytest.raises(AlreadyTracedError, match=rf"traced already, by process {first.tracer.pid} \(.+\)"):
            second.arm(600.0)
        program.ask("run 100")
        first.disarm()
        assert first.table.hits() == (100, 100)


def test_breakpoints_of_another_one_are_refused(go_program: StartProgram) -> None:
    program = go_program("churn")
    with session(program.pid) as found:
        found.arm(600.0)
        with pytest.raises(TextChangedError, match=f"the text of process {program.pid} at 0x"):
            Session(plan(program.pid)[0])


@pytest.mark.usefixtures("ebpf")
def test_uprobes_at_the_same_instruction_are_refused_with_their_holder(go_program: StartProgram) -> None:
    program = go_program("churn")
    executable = build("churn")
    source = EbpfSource(load_probes(cache_folder()))
    file = os.open(executable, os.O_RDONLY)
    try:
        source.attach(1, load(file, str(executable)), file, program.pid)
        with pytest.raises(TextChangedError, match=rf"uprobes in its file are held by process {os.getpid()} \("):
            Session(plan(program.pid)[0])
    finally:
        source.close()
        os.close(file)
    assert program.ask("run 100")["exited"] == 100


@pytest.mark.usefixtures("ebpf")
def test_uprobes_that_come_later_end_the_counting_and_count_on_themselves(go_program: StartProgram) -> None:
    program = go_program("churn")
    executable = build("churn")
    source = EbpfSource(load_probes(cache_folder()))
    file = os.open(executable, os.O_RDONLY)
    try:
        with session(program.pid) as found:
            found.arm(600.0)
            program.ask("run 100")
            source.attach(1, load(file, str(executable)), file, program.pid)
            wait_for(lambda: found.look() is not None)
            assert found.over is not None
            assert found.over.reason == messages.REPLACED
            assert found.table.losses()["breakpoints_replaced"] == 2
            assert found.table.hits() == (100, 100)
        program.ask("run 1000")
        assert sum(total.created for totals in source.counters().sites.values() for total in totals) == 1000
    finally:
        source.close()
        os.close(file)
    assert program.ask("run 100")["exited"] == 100


def test_another_users_process_is_refused(go_program: StartProgram) -> None:
    program = go_program("churn")
    wanted = plan(program.pid)[0]
    found = as_nobody(lambda: Session(wanted))
    assert found == f"NotPermittedError: the memory of process {program.pid} may not be written: Permission denied"


def test_a_process_that_hides_is_refused_to_its_own_user_and_not_to_root(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("hidden")
    for part in (folder, *list(folder.parents)[:2]):
        part.chmod(0o755)
    hidden = Path(shutil.copy(build("churn"), folder / "churn"))
    hidden.chmod(0o711)  # who may run it and not read it cannot look into the process either
    with GoProgram(hidden, user=NOBODY) as program:
        wanted = plan(program.pid)[0]
        found = as_nobody(lambda: Session(wanted))
        assert found.startswith(f"NotPermittedError: the memory of process {program.pid} may not be written")
        with session(program.pid) as root:
            root.arm(600.0)
            program.ask("run 100")
            root.disarm()
            assert root.table.hits() == (100, 100)


def test_a_process_in_another_pid_namespace_is_counted() -> None:
    with GoProgram(Path("/usr/bin/unshare"), "--pid", "--fork", "--kill-child", str(build("churn"))) as program:
        pid = int(Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text())
        assert program.ready["pid"] == 1
        with session(pid) as found:
            found.arm(600.0)
            program.ask("run 100")
            found.disarm()
            assert by_line(pid, found)[site_line("churn", "spawn")] == (100, 100)


def test_a_process_with_too_many_threads_is_refused_and_let_go(go_program: StartProgram) -> None:
    program = go_program("running/threads", "1000")
    with session(program.pid) as found:
        with pytest.raises(TooManyThreadsError, match="threads: at most 1000 are traced"):
            found.arm(600.0)
        assert tracer(program.pid) == 0


def test_a_program_for_another_processor_is_refused() -> None:
    file = os.open(build("churn", env={"GOARCH": "arm64", "CGO_ENABLED": "0"}), os.O_RDONLY)
    try:
        with pytest.raises(UnsupportedBinaryError, match="for amd64 only, and this is arm64"):
            breakpoints(load(file, "churn"), ElfImage(file), 0)
    finally:
        os.close(file)


def test_a_number_that_another_process_has_got_is_refused(go_program: StartProgram) -> None:
    program = go_program("churn")
    former = replace(plan(program.pid)[0], start_ticks=1)
    found = Session(former)
    try:
        with pytest.raises(NoSuchProcessError, match="another one has its number"):
            found.arm(600.0)
        assert tracer(program.pid) == 0
    finally:
        found.close()


def test_a_process_that_has_ended_is_refused(go_program: StartProgram) -> None:
    program = go_program("churn")
    wanted = plan(program.pid)[0]
    with session(program.pid) as found:
        program.kill()
        with pytest.raises((NoSuchProcessError, UnreadableFileError)):
            found.arm(600.0)
    with pytest.raises(NoSuchProcessError):
        Session(wanted)
