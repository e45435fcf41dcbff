"""A process that ends or runs another program while it is scanned costs a typed error."""

from collections.abc import Callable

import pytest
from gosonde_agent.model.errors import NoSuchProcessError
from gosonde_agent.sources.memory.errors import TargetChangedError
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.proving import prove
from gosonde_agent.sources.memory.reachability.rows import Bools
from gosonde_agent.sources.memory.reachability.scanner import everyone
from gosonde_agent.sources.memory.target import opened

from tests.go_programs import GoProgram
from tests.integration.agent.sources.memory.reachability.judging import scanner

Start = Callable[..., GoProgram]


def test_a_process_that_ends_before_a_scan_is_said_to_be_gone(go_program: Start) -> None:
    program = go_program("reach/channels")
    with opened(program.pid) as target:
        engine = scanner(target)
        program.kill()
        with pytest.raises((NoSuchProcessError, TargetChangedError)):
            prove(engine)


def test_a_process_that_ends_within_a_scan_is_said_to_be_gone(go_program: Start) -> None:
    program = go_program("reach/channels")
    with opened(program.pid) as target:
        engine = scanner(target)

        def killing(goroutines: Goroutines) -> Bools:
            program.kill()
            return everyone(goroutines)

        with pytest.raises((NoSuchProcessError, TargetChangedError)):
            prove(engine, killing)
