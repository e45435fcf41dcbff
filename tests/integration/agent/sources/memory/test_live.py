"""How many goroutines a process has is counted from a few words of its memory, as the runtime counts them."""

from collections.abc import Callable

import pytest
from gosonde_agent.model.errors import NoSuchProcessError
from gosonde_agent.sources.memory.target import opened

from tests import go_programs
from tests.agent_process import eventually
from tests.go_programs import GoProgram
from tests.versions import VERSIONS

Start = Callable[..., GoProgram]


@pytest.mark.parametrize("version", VERSIONS)
def test_as_many_are_counted_as_there_are_in_the_list(version: str, go_program: Start) -> None:
    program = go_program("parked", "300", version=version)
    with opened(program.pid) as target:
        counter = target.live_counter()
        # The runtime may start goroutines of its own in between.
        eventually(lambda: counter.count() == sum(1 for _ in target.goroutines(stacks=False)))
        before = counter.count()
        assert before > 300
        program.ask("spin 200")
        eventually(lambda: before <= counter.count() < before + 50)
    assert counter.count() > 300
    counter.close()


def test_a_process_that_has_ended_has_none_to_be_counted(go_program: Start) -> None:
    program = go_program("parked", "3")
    with opened(program.pid) as target:
        counter = target.live_counter()
    program.kill()
    with pytest.raises(NoSuchProcessError):
        counter.count()
    counter.close()


def test_after_an_exec_nothing_is_counted_of_the_new_program(go_program: Start) -> None:
    program = go_program("execer", "5", str(go_programs.build("parked")), "1000")
    with opened(program.pid) as target:
        counter = target.live_counter()
    program.ask("exec")
    program.answer()  # the new program is ready
    with pytest.raises(NoSuchProcessError):
        counter.count()
    counter.close()
