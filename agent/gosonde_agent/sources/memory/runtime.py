"""What is needed to read a runtime: whose memory, where its variables are, and how its structures are laid out."""

from dataclasses import dataclass

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.sources.memory.proof import Addresses
from gosonde_agent.sources.memory.reader import ProcessMemory


@dataclass(frozen=True, slots=True)
class Runtime:
    """The runtime of one process; `bias` is its runtime addresses less its link-time addresses."""

    memory: ProcessMemory
    bias: int
    addresses: Addresses
    layout: Layout

    @property
    def pid(self) -> int:
        """The process."""
        return self.memory.pid

    def number(self, address: int, size: int = 8) -> int:
        """An unsigned number at a link-time address.

        Raises:
            GosondeError: As `ProcessMemory.read`.
        """
        return int.from_bytes(self.memory.read(address + self.bias, size), "little")
