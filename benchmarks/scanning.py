"""One scan as a proof makes it: tried again where memory was in the middle of a change."""

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.reachability.scanner import Scanner

#: As often as a proof tries.
TRIES = 5


def scanned(scanner: Scanner, order: int = 0) -> Scan:
    """One scan.

    Raises:
        ImplausibleMemoryError: Memory contradicted itself each time.
        GosondeError: The process has ended, or is larger than the limits.
    """
    for _ in range(TRIES - 1):
        try:
            return scanner.scan(order=order)
        except ImplausibleMemoryError:
            continue
    return scanner.scan(order=order)
