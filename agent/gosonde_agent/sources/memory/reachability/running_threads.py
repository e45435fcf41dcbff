"""What only the registers of running threads know of while a scan goes on."""

import time

import numpy as np

from gosonde_agent.host.thread_registers import ThreadRegisters
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.search import Found

#: How long to wait for a sample of each thread that runs, and how often to look.
SECONDS, PAUSE_SECONDS = 0.25, 0.002


def wait_for_samples(registers: ThreadRegisters) -> None:
    """Waits until there is a sample of each thread that does not sleep; on a busy machine one may wait for its turn."""
    end = time.monotonic() + SECONDS
    while registers.are_sampled and registers.unseen() and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)


def revive_held_in_registers(found: Found, heap: HeapMap, registers: ThreadRegisters) -> bool:
    """Ends the sampling; what registers pointed to since it began is alive. Returns whether some were not seen."""
    registers.disable()
    unseen = bool(registers.unseen())
    nodes = found.graph.find(np.unique(heap.numbers(registers.words())))
    found.graph.revive(nodes[nodes >= 0])
    return unseen
