"""Which function's frame a word of a goroutine's stack lies in."""

from typing import Final

from gosonde_common.errors import GosondeError

from gosonde_agent.golang.pclntab import Pclntab, printed_name
from gosonde_agent.sources.memory.runtime import Runtime

POINTER: Final = 8
MAX_FRAMES: Final = 2_048
#: What the first goroutine begins with; it calls main.main.
MAIN: Final = "runtime.main"


class Frames:
    """Looks at stacks of one process as they are now."""

    def __init__(self, runtime: Runtime, pclntab: Pclntab) -> None:
        self._runtime = runtime
        self._pclntab = pclntab

    def function_at(self, g: int, address: int) -> str:
        """The function in whose frame an address lies, by the address of the g; empty where that is not known.

        What is not known is where the stack of a goroutine that runs is used.
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
        is_call = self._number(g, "syscallsp") != 0
        sp, pc = (
            self._number(g, name) for name in (("syscallsp", "syscallpc") if is_call else ("sched.sp", "sched.pc"))
        )
        for _ in range(MAX_FRAMES):
            details = self._pclntab.details_of(pc - self._runtime.bias) if pc > self._runtime.bias else None
            if details is None or not sp <= address:
                return ""
            size = self._pclntab.pc_value(details.pcsp, details.entry, pc - self._runtime.bias) if details.pcsp else -1
            if size < 0:
                return ""
            end = sp + size + POINTER
            if address < end:
                return printed_name(details.name)
            pc = int.from_bytes(self._runtime.memory.read(end - POINTER, POINTER), "little")
            sp = end
        return ""

    def _name(self, pc: int) -> str:
        function = self._pclntab.function_of(pc - self._runtime.bias) if pc > self._runtime.bias else None
        return printed_name(function.name) if function else ""

    def _number(self, g: int, field: str) -> int:
        offset = self._runtime.layout.offset("g", field)
        return int.from_bytes(self._runtime.memory.read(g + offset, POINTER), "little")
