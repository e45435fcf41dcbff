"""What a goroutine really runs first: `go f(x)` starts a function that the compiler wraps around f.

Tracebacks and profiles leave wrappers out, so a site that names its wrapper would never be found in them.
"""

from collections.abc import Iterable

from gosonde_common.errors import GosondeError

from gosonde_agent.golang.function_records import FunctionDetails
from gosonde_agent.golang.instructions import Instruction, decode
from gosonde_agent.golang.pclntab import Pclntab, printed_name

#: What the compiler adds to any function: growing the stack, writing pointers, clearing and copying memory, checks.
HELPERS = (
    "gcWriteBarrier",
    "runtime.deferreturn",
    "runtime.duff",
    "runtime.gcWriteBarrier",
    "runtime.morestack",
    "runtime.panic",
    "runtime.race",
    "runtime.wb",
)


def start_function(pclntab: Pclntab, pc: int, wrapper_id: int, architecture: str) -> str:
    """The first function of a goroutine that starts at a link-time address, seen through the compiler's wrapper.

    The wrapper's own name where what it calls is not plain; empty outside Go code.

    Args:
        wrapper_id: runtime.funcID of wrappers in this binary's Go version.
    """
    try:
        details = pclntab.details_of(pc)
        if details is None:
            return ""
        name = printed_name(details.name)
        return _wrapped(pclntab, details, architecture) or name if details.func_id == wrapper_id else name
    except GosondeError:
        return ""


def _wrapped(pclntab: Pclntab, details: FunctionDetails, architecture: str) -> str:
    instructions = decode(pclntab.code_of(details), details.entry, architecture)
    inlined = {frames[-1].function for i in instructions if (frames := pclntab.frames_of(i.address))}
    found = inlined or set(_called(pclntab, details, instructions))
    return found.pop() if len(found) == 1 else ""


def _called(pclntab: Pclntab, details: FunctionDetails, instructions: Iterable[Instruction]) -> Iterable[str]:
    for instruction in instructions:
        target = instruction.target
        if target is None or details.entry <= target < details.end:
            continue
        function = pclntab.function_of(target)
        if function is not None and not function.name.startswith(HELPERS):
            yield printed_name(function.name)
