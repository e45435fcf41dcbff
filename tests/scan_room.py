"""How much memory docs/proof.md allows a scan."""

import numpy as np
from gosonde_agent.sources.memory.reachability.scan import Scan

PAGE, ARENA = 8 << 10, 64 << 20


def allowed_bytes(scan: Scan) -> int:
    """The formula. Of what stacks of suspects hold only what they wait for is known here: it may allow more."""
    spans = scan.heap.spans
    last = spans.end - np.uint64(1)
    arenas = {*(spans.start // np.uint64(ARENA)).tolist(), *(last // np.uint64(ARENA)).tolist()}
    heap = 60 * len(spans) + 5 * len(arenas) * (ARENA // PAGE) + scan.heap.count // 4
    graph = 128 * len(scan.found.graph.edges()[0]) + 24 * int(scan.suspects.sum())
    return (64 << 20) + heap + 400 * len(scan.goroutines) + graph
