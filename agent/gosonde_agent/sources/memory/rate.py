"""How many goroutines a process creates, by two looks at the runtime's own count."""

import time

from gosonde_agent.sources.memory.target import opened

#: How far apart the looks are.
SECONDS = 0.5


def creations_per_second(pid: int) -> float:
    """What it creates in each second now; takes half a second.

    Raises:
        GosondeError: As `opened`, and `Target.totals`.
    """
    with opened(pid) as target:
        before, began = target.totals().created, time.monotonic()
        time.sleep(SECONDS)
        return (target.totals().created - before) / (time.monotonic() - began)
