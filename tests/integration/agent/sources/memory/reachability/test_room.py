"""A scan takes no more memory than docs/proof.md says."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from gosonde_agent.sources.memory.target import opened

from tests.go_programs import GoProgram
from tests.integration.agent.sources.memory.reachability.judging import scanner

Start = Callable[..., GoProgram]

PAGE, ARENA = 8 << 10, 64 << 20


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
    spans = scan.heap.spans
    arenas = set((spans.start // np.uint64(ARENA)).tolist()) | set(
        ((spans.end - np.uint64(1)) // np.uint64(ARENA)).tolist()
    )
    heap = 60 * len(spans) + 5 * len(arenas) * (ARENA // PAGE) + scan.heap.count // 4
    graph = 128 * len(scan.found.graph.edges()[0])
    # Stacks of suspects hold at least what they wait for; what else they hold is left out on the safe side.
    assert peak <= (64 << 20) + heap + 400 * len(scan.goroutines) + graph + 24 * int(scan.suspects.sum())
    assert scan.accused.sum() > 50
