"""A running agent reports as many pending timers as a program says it has made."""

from collections.abc import Callable, Iterator

import pytest
from gosonde.agent_client import AgentClient
from gosonde_common.errors import GosondeError
from gosonde_common.values.observation import TimerReading

from tests import toolchains
from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram, build

Read = Callable[[GoProgram], TimerReading]
COUNT, LONG_S = 40, 180.0
PROGRAM = "timed/callbacks"


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, ebpf: None) -> Iterator[Read]:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("agent")
    (folder / "agent.toml").write_text("")
    agent = AgentProcess(folder, "", str(build(PROGRAM).parents[3] / "*" / PROGRAM))
    with AgentClient(agent.listen, timeout_seconds=10) as client:

        def newest(program: GoProgram) -> TimerReading:
            found: list[TimerReading] = []

            def is_read() -> bool:
                try:
                    found[:] = client.observation(program.pid).timers
                except GosondeError:
                    return False
                return bool(found)

            eventually(is_read, LONG_S)
            return found[0]

        try:
            yield newest
        finally:
            agent.kill()


@pytest.mark.parametrize("version", toolchains.ALL_VERSIONS)
def test_an_agent_reports_the_timers_that_a_program_counts(read: Read, version: str) -> None:
    with GoProgram(build(PROGRAM, version=version), str(COUNT)) as program:
        reading = read(program)
        own = [group for group in reading.found.groups if group.callback.startswith("main.")]
        assert {group.callback: group.pending for group in own} == {
            "main.closure.func1": program.ready["closures"],
            "main.remind": program.ready["functions"],
            "main.(*session).expire-fm": program.ready["methods"],
        }
        assert (reading.unread, reading.others, reading.found.each_stands_for) == ("", 0, 1.0)
