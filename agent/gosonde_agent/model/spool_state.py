"""What the spool holds, for those who ask."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpoolState:
    """Attributes:
    bytes: Of all that waits for a collector.
    is_in_memory: The disk took nothing when the agent started, so that the end of the agent is the end of the spool.
    """

    bytes: int
    is_in_memory: bool = False
