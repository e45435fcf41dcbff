"""The two instructions that are sampled in a process, and which registers say what there."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.instructions import MACHINES
from gosonde_agent.host.sampling_events import REGISTER_BITS, Instruction
from gosonde_agent.model.errors import UnprovedProbePointError


@dataclass(frozen=True, slots=True)
class Points:
    """Where creations and exits are sampled.

    Attributes:
        registers: Those in each sample, in order.
        g, site: Which of them hold the new g and the address behind its `go` statement at a creation.
        ending: Which holds the g at an exit.
    """

    created: Instruction
    exited: Instruction
    registers: tuple[str, ...]
    g: int
    site: int
    ending: int

    @staticmethod
    def of(rows: npt.NDArray[np.void], register: int) -> npt.NDArray[np.uint64]:
        """One register of samples."""
        return rows["registers"][:, register]


def points_in(binary: GoBinary, bias: int) -> Points:
    """Those of a binary in a process that has it loaded with a bias.

    Raises:
        UnprovedProbePointError: The instruction that stores gopc is not proved.
    """
    store, exited = binary.gopc_store, binary.points["exited"]
    if store is None:
        raise UnprovedProbePointError(
            "no instruction of runtime.newproc1 is proved to have the new goroutine and its statement in registers"
        )
    ending = MACHINES[binary.architecture].arguments[0]
    registers = tuple(sorted({store.g, store.site, ending}, key=REGISTER_BITS.__getitem__))
    return Points(
        Instruction(store.vaddr + bias, binary.file_offsets["gopc_stored"], registers),
        Instruction(exited.vaddr + bias, binary.file_offsets["exited"], registers),
        registers,
        *(registers.index(name) for name in (store.g, store.site, ending)),
    )
