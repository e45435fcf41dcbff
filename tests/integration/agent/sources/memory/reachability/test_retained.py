"""What leaked goroutines alone retain is never more than that, and not much less."""

import numpy as np
import pytest
from gosonde_agent.sources.memory.target import opened

from tests import go_programs, toolchains
from tests.go_programs import GoProgram
from tests.integration.agent.sources.memory.reachability.judging import scanner

GOROUTINES = 50
PAGE = 4_096
LIST = 10 * PAGE
#: A channel, a sudog, the arguments and the closure of one goroutine.
SMALL = 1_024


@pytest.mark.parametrize("version", [toolchains.DEBIAN, "1.22.10", toolchains.DEFAULT])
def test_what_leaked_goroutines_alone_reach_is_counted_by_go_statement(version: str) -> None:
    with (
        GoProgram(go_programs.build("retaining", version), str(GOROUTINES)) as program,
        opened(program.pid) as target,
    ):
        scans = scanner(target)
        scan = scans.scan()
        leaked = np.flatnonzero(scan.accused)
        assert len(leaked) >= GOROUTINES * 2 * 9 // 10
        _sites, group = np.unique(scan.goroutines.gopc[leaked], return_inverse=True)
        found = sorted(scans.retained(scan.goroutines.at[leaked], group.astype(np.int64)).tolist())
    few, many = found
    assert GOROUTINES * PAGE * 9 // 10 <= few <= GOROUTINES * (PAGE * 5 // 4 + SMALL)
    assert GOROUTINES * LIST * 9 // 10 <= many <= GOROUTINES * (LIST * 5 // 4 + SMALL)
