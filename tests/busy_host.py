"""A host that has more to do than it can: busy loops beside what is tested."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

LOOPS_PER_CORE = 2
#: Ends by itself when whoever started it is gone, however that ended.
LOOP = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"


@contextmanager
def busy_host(loops_per_core: int = LOOPS_PER_CORE) -> Iterator[None]:
    """Runs busy loops, two a core unless said, until the block ends."""
    with ExitStack() as stack:
        for _ in range(loops_per_core * (os.cpu_count() or 1)):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", LOOP, str(os.getpid())]))
            stack.callback(loop.kill)
        yield


class Loads:
    """Notes the host's load average, a mean over one minute, while its block runs."""

    def __init__(self, every_seconds: float = 5.0) -> None:
        self.seen: list[float] = []
        self._every = every_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._note, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _note(self) -> None:
        is_over = False
        while not is_over:
            self.seen.append(os.getloadavg()[0])
            is_over = self._over.wait(self._every)
