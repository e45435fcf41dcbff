"""A host that has more to do than it can: busy loops beside what is tested."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

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
