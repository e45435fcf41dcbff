"""A process from its memory to what is proved of its goroutines, in one call."""

from gosonde_common.values.reachability import Proof

from gosonde_agent.sources.memory.reachability.proving import prove
from gosonde_agent.sources.memory.reachability.scanner import Scanner
from gosonde_agent.sources.memory.reachability.site_proofs import SiteProofs
from gosonde_agent.sources.memory.target import Target


def scanner_of(target: Target) -> Scanner:
    """What scans a process.

    Raises:
        NotLocatedError: Where the heap's structures are is not known.
        UnsupportedBinaryError: How they are laid out is not known.
    """
    return Scanner(target, target.heap_addresses())


def examined(target: Target, *, hurried: bool = False) -> Proof:
    """Scans for up to ten seconds and says what was found of each `go` statement.

    Args:
        hurried: Scans three times, and looks neither for who holds goroutines nor for what they retain.

    Raises:
        NotLocatedError: Where the heap's structures are is not known.
        UnsupportedBinaryError: How they are laid out is not known.
        GosondeError: The process ended, runs another program, or may not be read.
    """
    scanner = scanner_of(target)
    return SiteProofs(prove(scanner, hurried=hurried), scanner).proof(briefly=hurried)
