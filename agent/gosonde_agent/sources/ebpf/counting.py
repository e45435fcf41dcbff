"""Turns the counting of a file on and off, so that its creations and its exits are counted from one instant on.

Each file whose probes may come and go has a slot of the kernel's array `counting`, which the probes find by the upper
half of their cookie.
"""

import struct

from gosonde_agent.host import syscalls
from gosonde_agent.model.errors import ProbeError
from gosonde_agent.sources.ebpf.loading import Probes
from gosonde_agent.sources.ebpf.probe_text import COUNTING_SLOTS

#: The slot that is always on.
ALWAYS = 0


class Counting:
    """The slots of all files that have probes.

    Raises:
        ProbeError: The kernel refused something.
    """

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._unused = iter(range(ALWAYS + 1, COUNTING_SLOTS))
        self._free: list[int] = []
        self.switch(ALWAYS, on=True)

    def take(self) -> int:
        """A slot that nobody has, turned off.

        Raises:
            ProbeError: There is none.
        """
        slot = self._free.pop() if self._free else next(self._unused, None)
        if slot is None:
            raise ProbeError(f"{COUNTING_SLOTS - 1} files have probes, and no more are supported")
        self.switch(slot, on=False)
        return slot

    def release(self, slot: int) -> None:
        """No probe has the slot any more."""
        self.switch(slot, on=False)
        self._free.append(slot)

    def switch(self, slot: int, *, on: bool) -> None:
        """Has everything behind a slot counted from now on, or no longer."""
        syscalls.update(self._probes["counting"], struct.pack("<I", slot), struct.pack("<I", on))


def cookie(number: int, slot: int) -> int:
    """What the probes of a file say of it: its number, and its slot."""
    return slot << 32 | number
