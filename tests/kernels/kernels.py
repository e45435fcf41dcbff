"""Which kernels are tried: the oldest that is refused, the oldest that is not, Debian's own, and the newest."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of a distribution.

    Attributes:
        name: Its series, or "newest" where that changes.
        distribution: A key of `packages.ARCHIVES`.
        suite: Where the distribution has it.
        is_refused: Whether gosonde is to refuse it.
    """

    name: str
    distribution: str
    suite: str
    is_refused: bool = False


KERNELS = (
    Kernel("5.10", "debian", "bullseye", is_refused=True),
    Kernel("5.15", "ubuntu", "jammy-updates"),
    Kernel("6.1", "debian", "bookworm"),
    Kernel("6.12", "debian", "trixie"),
    Kernel("newest", "debian", "trixie-backports"),
)
