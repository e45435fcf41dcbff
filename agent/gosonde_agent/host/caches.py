"""How large the caches of this host's processors are, as the kernel says."""

import contextlib
from pathlib import Path

FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
#: What holds code next to a processor, of the types that the kernel names.
CODE_TYPES = ("Instruction", "Unified")
UNITS = {"K": 1 << 10, "M": 1 << 20}


def first_code_cache_bytes(folder: Path = FOLDER) -> int | None:
    """Size of the first cache that code comes from; None where the kernel does not say.

    Args:
        folder: What is there for each cache of one processor.
    """
    for cache in sorted(folder.glob("index*")):
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            level, kind, size = ((cache / name).read_text().strip() for name in ("level", "type", "size"))
            if level == "1" and kind in CODE_TYPES:
                return int(size[:-1]) * UNITS[size[-1]]
    return None
