"""How often a Go program samples for its own profiles, from its memory."""

from collections.abc import Mapping
from dataclasses import dataclass

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.host import procfs
from gosonde_agent.sources.memory import symbols
from gosonde_agent.sources.memory.bias import load_bias
from gosonde_agent.sources.memory.errors import NotLocatedError
from gosonde_agent.sources.memory.reader import ProcessMemory

_MEMORY, _BLOCK, _MUTEX = "runtime.MemProfileRate", "runtime.blockprofilerate", "runtime.mutexprofilerate"
_BYTES = 8


@dataclass(frozen=True, slots=True)
class ProfileRates:
    """The runtime's variables; 0: that profile is off.

    Attributes:
        memory_bytes: One allocation is sampled for so many bytes (runtime.MemProfileRate).
        block_ticks: One blocking event for so many ticks of the CPU's clock (runtime.SetBlockProfileRate).
        mutex_fraction: One of so many contended locks (runtime.SetMutexProfileFraction).
    """

    memory_bytes: int
    block_ticks: int
    mutex_fraction: int


def profile_rates(pid: int) -> ProfileRates:
    """Those in force now. A variable that the linker left out, because nothing sets it, counts as 0.

    Raises:
        NotLocatedError: The executable says nowhere where its variables are.
        GosondeError: The process is not there, is no Go program, or may not be read.
    """
    with procfs.executable(pid) as (fd, _), ProcessMemory(pid) as memory:
        image = ElfImage(fd)
        known = _located(image, fd)
        bias = load_bias(pid, fd, image.segments)
        read = {name: int.from_bytes(memory.read(address + bias, _BYTES), "little") for name, address in known.items()}
        return ProfileRates(read[_MEMORY], read.get(_BLOCK, 0), read.get(_MUTEX, 0))


def _located(image: ElfImage, fd: int) -> Mapping[str, int]:
    wanted = {_MEMORY, _BLOCK, _MUTEX}
    for known in (symbols.from_symbol_table(image, wanted), symbols.from_dwarf(fd, wanted)):
        if _MEMORY in known:
            return known
    raise NotLocatedError("the executable names no variables: it is stripped, so profile rates cannot be read")
