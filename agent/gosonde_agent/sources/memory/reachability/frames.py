"""Which function's frame a word of a goroutine's stack lies in."""

from collections.abc import Iterator
from typing import Final

from gosonde_common.errors import GosondeError

from gosonde_agent.golang.pclntab import Pclntab, printed_name
from gosonde_agent.sources.memory.runtime import Runtime

POINTER: Final = 8
MAX_FRAMES: Final = 2_048
RUNTIME: Final = "runtime."
#: What the first goroutine begins with; it calls main.main.
MAIN: Final = "runtime.main"


class Frames:
    """Looks at stacks of one process as they are now."""

    def __init__(self, runtime: Runtime, pclntab: Pclntab) -> None:
        self._runtime = runtime
        self._pclntab = pclntab

    def function_at(self, g: int, address: int) -> str:
        """The function in whose frame an address lies, by the address of the g; empty where that is not known.

        It is the caller of the runtime where that is a frame of the runtime.
        """
        try:
            return self._function_at(g, address)
        except GosondeError:
            return ""

    def start_function(self, g: int) -> str:
        """What the goroutine began with; empty where that is not known."""
        try:
            name = self._name(self._number(g, "startpc"))
        except GosondeError:
            return ""
        return "main.main" if name == MAIN else name

    def _function_at(self, g: int, address: int) -> str:
        found = ""
        for begin, end, name in self._walked(g):
            if begin > address and not found:
                return ""
            if address < end:
                found = found or name
                if not name.startswith(RUNTIME):
                    return printed_name(name)
        return printed_name(found)

    def _walked(self, g: int) -> Iterator[tuple[int, int, str]]:
        """(begin, end, function) of each frame, innermost first."""
        is_call = self._number(g, "syscallsp") != 0
        names = ("syscallsp", "syscallpc") if is_call else ("sched.sp", "sched.pc")
        sp, pc = (self._number(g, name) for name in names)
        for _ in range(MAX_FRAMES):
            pc -= self._runtime.bias
            details = self._pclntab.details_of(pc) if pc > 0 else None
            size = self._pclntab.pc_value(details.pcsp, details.entry, pc) if details and details.pcsp else -1
            if details is None or size < 0:
                return
            end = sp + size + POINTER
            yield sp, end, details.name
            pc = int.from_bytes(self._runtime.memory.read(end - POINTER, POINTER), "little")
            sp = end

    def _name(self, pc: int) -> str:
        function = self._pclntab.function_of(pc - self._runtime.bias) if pc > self._runtime.bias else None
        return printed_name(function.name) if function else ""

    def _number(self, g: int, field: str) -> int:
        offset = self._runtime.layout.offset("g", field)
        return int.from_bytes(self._runtime.memory.read(g + offset, POINTER), "little")
