"""Where the global variables that may hold pointers are: .data and .bss of every module, as its moduledata says."""

import numpy as np

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reachability.rows import ADDRESS_LIMIT, I64, U64
from gosonde_agent.sources.memory.runtime import Runtime

#: A program and its plugins.
MAX_MODULES = 4_096
MAX_GLOBALS = 4 << 30
SECTIONS = (("data", "edata"), ("bss", "ebss"))


def globals_of(runtime: Runtime, moduledata: int) -> tuple[U64, I64]:
    """(addresses, sizes in bytes) of the global variables; `moduledata` is the link-time address of firstmoduledata.

    Raises:
        ImplausibleMemoryError: The list of modules makes no sense.
        GosondeError: The process has ended, or may not be read.
    """
    at = runtime.layout.fields("moduledata")
    starts: list[int] = []
    sizes: list[int] = []
    module = moduledata + runtime.bias
    for _ in range(MAX_MODULES):
        words = np.frombuffer(runtime.memory.read(module, runtime.layout.size("moduledata") & ~7), "<u8")
        for begin, end in SECTIONS:
            low, high = int(words[at[begin] // 8]), int(words[at[end] // 8])
            starts.append((low + 7) & ~7)
            sizes.append(max((high - starts[-1]) & ~7, 0))
            if not 0 < low <= high < ADDRESS_LIMIT:
                raise ImplausibleMemoryError(
                    f"a module of process {runtime.pid} has globals from {low:#x} to {high:#x}"
                )
        module = int(words[at["next"] // 8])
        if not module:
            break
    if module or sum(sizes) > MAX_GLOBALS:
        raise ImplausibleMemoryError(
            f"process {runtime.pid} claims {len(starts) // len(SECTIONS)} modules with {sum(sizes)} bytes of globals"
        )
    return np.array(starts, np.uint64), np.array(sizes, np.int64)
