"""Rules that change act at once, on what is watched already too."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde.collector_client import ProcessRow
from gosonde_agent.discovery.deselected import DESELECTED
from gosonde_agent.discovery.selection import Selection, parse_rules
from gosonde_common.errors import NotFoundError
from gosonde_common.values.observation import Observation

from tests.agent_process import AgentProcess, eventually
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram
from tests.integration.watching import Watch, watching

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
YES, NO = {"GOSONDE_LABELS": "probes=yes"}, {"GOSONDE_LABELS": "probes=no"}


def executable(program: GoProgram) -> str:
    return str(Path(f"/proc/{program.pid}/exe").readlink())


def denying(program: GoProgram, *rules: str) -> Selection:
    return Selection((executable(program),), deny=parse_rules("deny", rules))


def reported(watch: Watch, pid: int) -> bool:
    """Whether the newest observation reports a process."""
    observation = watch.monitor.observe()
    keys = [process.key for process in observation.processes]
    keys += [row.process for row in observation.site_counts] + [row.process for row in observation.gc_totals]
    keys += [row.process for row in observation.probe_costs]
    return pid in {key.pid for key in keys}


def hits(watch: Watch) -> int:
    return sum(sum(hits) for hits in watch.monitor.source.hits().values())


def counted(watch: Watch, pid: int) -> bool:
    """Whether the kernel still has counts of a process."""
    return pid in {image.tgid for image in watch.monitor.source.counters().sites}


def closed(watch: Watch) -> None:
    eventually(lambda: not watch.monitor.is_closing)
    watch.monitor.poll()


def test_probes_leave_a_file_of_which_no_process_is_meant_any_more(go_program: Start) -> None:
    program = go_program("churn")
    with watching(exe=executable(program)) as watch:
        program.ask("run 100")
        watch.observe()
        assert watch.counts(program.pid, "main.spawn") == (100, 100)
        watch.monitor.select(denying(program, f"exe:{executable(program)}"))
        watch.observe()
        process = watch.process(program.pid)
        assert (process.refusal, process.ended_unix_nano > 0) == (DESELECTED, True)
        assert watch.counts(program.pid, "main.spawn") == (100, 100)
        closed(watch)
        before = hits(watch)
        program.ask("run 100")
        later = go_program("churn")
        later.ask("run 100")
        assert (hits(watch), reported(watch, program.pid), reported(watch, later.pid)) == (before, False, False)
        assert watch.monitor.files.attachments.numbers() == set()
        assert watch.nothing_lost()


def test_a_narrower_allow_denies_too(go_program: Start) -> None:
    program = go_program("churn")
    with watching(exe=executable(program)) as watch:
        watch.monitor.select(Selection((executable(program),), allow=parse_rules("allow", ("label:probes=yes",))))
        watch.observe()
        assert watch.process(program.pid).refusal == DESELECTED


def test_a_denied_process_is_told_of_no_more_while_its_sibling_keeps_the_probes(go_program: Start) -> None:
    selected, denied = go_program("churn", env=YES), go_program("churn", env=NO)
    with watching(exe=executable(selected)) as watch:
        watch.monitor.select(denying(selected, "label:probes=no"))
        watch.observe()
        for program in (selected, denied):
            program.ask("run 100")
        assert not reported(watch, denied.pid)
        watch.observe()
        assert watch.counts(selected.pid, "main.spawn") == (100, 100)
        denied.kill()
        eventually(lambda: not reported(watch, denied.pid) and not counted(watch, denied.pid))
        assert watch.nothing_lost()


def test_what_starts_and_ends_denied_is_not_told_of_although_its_file_keeps_probes(go_program: Start) -> None:
    selected = go_program("churn", env=YES)
    with watching(exe=executable(selected)) as watch:
        watch.monitor.select(denying(selected, "label:probes=no"))
        for _ in range(3):
            denied = go_program("churn", env=NO)
            denied.ask("run 10")
            watch.monitor.poll()
            denied.kill()
            watch.observe()
            assert denied.pid not in {pid for pid, _ in watch.processes}
        assert watch.nothing_lost()


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside a sibling"])
def test_what_is_meant_again_is_counted_anew_with_a_baseline_from_memory(go_program: Start, alone: bool) -> None:
    program = go_program("parked", "150", env=NO)
    _sibling = None if alone else go_program("parked", "20", env=YES)
    everything = Selection((executable(program),))
    with watching(exe=executable(program)) as watch:
        watch.monitor.readings.read_due()
        program.ask("more 10")
        for _ in range(2):
            watch.monitor.select(denying(program, "label:probes=no"))
            watch.observe()
            program.ask("fewer 30")
            program.ask("more 30")
            watch.processes.clear()
            watch.sites.clear()
            watch.monitor.select(everything)
            watch.observe()
            watch.monitor.readings.read_due()
            program.ask("more 5")
            program.ask("fewer 5")
            watch.observe()
            assert not watch.process(program.pid).counted_from_start
            rows = [row for (pid, _, _), row in watch.sites.items() if pid == program.pid]
            (more,) = [row for row in rows if row.site.function == "main.more"]
            assert more.created == 5
            parked = [row for row in rows if row.site.start_function == "main.idle"]
            assert (sum(row.exited for row in parked), sum(row.live for row in parked)) == (5, 160)
        assert watch.nothing_lost()


def test_the_rules_of_a_running_agent_act_on_sighup(tmp_path: Path, go_program: Start) -> None:
    selected, denied = go_program("churn", env=YES), go_program("churn", env=NO)
    config = tmp_path / "agent.toml"
    config.write_text("interval_seconds = 0.1\n")
    with CollectorProcess(tmp_path) as collector:
        agent = AgentProcess(tmp_path, collector.address, executable(selected))

        def read_again(text: str) -> None:
            config.write_text(f"interval_seconds = 0.1\n{text}")
            agent.process.send_signal(signal.SIGHUP)

        def shown(program: GoProgram) -> Observation | None:
            with AgentClient(agent.listen, timeout_seconds=5) as client:
                try:
                    return client.observation(program.pid)
                except NotFoundError:
                    return None

        def stored(program: GoProgram) -> list[ProcessRow]:
            with collector.client() as client:
                return client.processes("", program.pid)

        def spawned(program: GoProgram) -> list[tuple[int, int]]:
            with collector.client() as client:
                rows = [row for row in client.sites("", program.pid) if row.function == "main.spawn"]
            return sorted((row.created, row.exited) for row in rows)

        try:
            eventually(lambda: agent.counted(selected.pid) >= 0 and agent.counted(denied.pid) >= 0)
            for program in (selected, denied):
                program.ask("run 100")
            eventually(lambda: agent.counted(denied.pid) == 100)
            read_again('deny = ["label:probes=no"]\n')
            eventually(lambda: shown(denied) is None)
            for program in (selected, denied):
                program.ask("run 50")
            eventually(lambda: agent.counted(selected.pid) == 150)
            eventually(lambda: [row.level for row in stored(denied)] == ["refused"])
            assert [row.created >= 100 for row in stored(denied)] == [True]
            assert [row.level for row in stored(selected)] == ["full"]
            read_again("")
            eventually(lambda: agent.counted(denied.pid) == 0)
            denied.ask("run 7")
            eventually(lambda: agent.shown(denied.pid, "main.spawn") == (7, 7))
            eventually(lambda: sorted(row.level for row in stored(denied)) == ["full", "refused"])
            eventually(lambda: spawned(denied) == [(7, 7), (100, 100)])
        finally:
            agent.kill()


def test_naming_another_pid_watches_that_process_and_leaves_the_first(go_program: Start) -> None:
    first, second = go_program("churn"), go_program("churn")
    with watching(pid=first.pid) as watch:
        watch.monitor.select(Selection(pids=frozenset({second.pid})))
        watch.monitor.finder.load_next()
        watch.observe()
        assert watch.process(first.pid).refusal == DESELECTED
        second.ask("run 100")
        watch.observe()
        assert watch.counts(second.pid, "main.spawn") == (100, 100)
