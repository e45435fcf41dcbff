"""The names of wait reasons, from the process's own runtime.waitReasonStrings: versions number them differently."""

import numpy as np

from gosonde_agent.sources.memory.candidates import MAX_WAIT_REASONS
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.runtime import Runtime

MAX_NAME = 128
#: Every version has it, with the number that is 2.
KNOWN = "IO wait"


def read_wait_reasons(runtime: Runtime) -> tuple[str, ...]:
    """The names by number; empty when the table was not located.

    Raises:
        ImplausibleMemoryError: It is no such array.
    """
    memory, (address, count) = runtime.memory, runtime.addresses.wait_reasons
    if not address or not 0 < count <= MAX_WAIT_REASONS:
        return ()
    data, whole = memory.read_pieces(np.array([address + runtime.bias], np.uint64), np.array([count * 16], np.int64))
    headers = data.view("<u8").reshape(count, 2).astype(np.uint64)
    if not whole[0] or int(headers[:, 1].max()) > MAX_NAME:
        raise ImplausibleMemoryError(f"process {memory.pid} has no table of wait reasons where its code says")
    sizes = headers[:, 1].astype(np.int64)
    text, found = memory.read_pieces(headers[:, 0], sizes)
    ends = np.cumsum(sizes).tolist()
    raw = text.tobytes()
    names = tuple(
        raw[end - size : end].decode("utf-8", "replace") for end, size in zip(ends, sizes.tolist(), strict=True)
    )
    if not found.all() or KNOWN not in names:
        raise ImplausibleMemoryError(f"process {memory.pid} has no table of wait reasons where its code says")
    return names
