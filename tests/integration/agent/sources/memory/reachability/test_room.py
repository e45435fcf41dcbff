"""A scan takes no more memory than docs/proof.md says."""

import time
import tracemalloc
from collections.abc import Callable

import pytest
from gosonde_agent.sources.memory.reachability.limits import Limits, NotDecidedError
from gosonde_agent.sources.memory.reachability.scanner import Scanner
from gosonde_agent.sources.memory.target import opened

from tests.go_programs import GoProgram
from tests.integration.agent.sources.memory.reachability.judging import scanner
from tests.scan_room import allowed_bytes

Start = Callable[..., GoProgram]


@pytest.mark.parametrize("size", [("100", "100", "200"), ("30000", "5000", "10")], ids=["heap", "goroutines"])
def test_a_scan_takes_no_more_memory_than_the_formula_says(size: tuple[str, ...], go_program: Start) -> None:
    program = go_program("reach/large", *size)
    with opened(program.pid) as target:
        engine = scanner(target)
        tracemalloc.start()
        try:
            scan = engine.scan()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak <= allowed_bytes(scan)
    assert scan.accused.sum() > 50


def test_a_scan_that_takes_too_long_is_given_up_in_time_and_with_no_more_memory(go_program: Start) -> None:
    program = go_program("reach/large", "30000", "5000", "10")
    with opened(program.pid) as target:
        began = time.thread_time()
        scan = scanner(target).scan()
        whole = time.thread_time() - began
        limited = Scanner(target, target.heap_addresses(), Limits(cpu_seconds=whole / 4))
        began = time.thread_time()
        with pytest.raises(NotDecidedError, match="s of CPU time"):
            limited.scan()
        assert time.thread_time() - began < whole
        tracemalloc.start()
        try:
            with pytest.raises(NotDecidedError, match="s of CPU time"):
                limited.scan()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak <= allowed_bytes(scan)
