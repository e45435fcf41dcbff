"""Which frames of a stack are the program's own, and which a library's."""

from collections.abc import Sequence

from gosonde_collector.evidence.model import Frame
from gosonde_collector.evidence.names import is_dependency, is_standard


def is_user_code(frame: Frame) -> bool:
    """Whether a frame is the program's own, as far as its path shows."""
    return not is_standard(frame.function) and not is_dependency(frame.file)


def waits_in(frames: Sequence[Frame]) -> str:
    """The innermost function of the program itself, or else of a dependency, or else that runs first."""
    for fits in (is_user_code, _is_not_standard):
        for frame in frames:
            if fits(frame):
                return frame.function
    return frames[-1].function if frames else ""


def work_of(created_in: str, frames: Sequence[Frame]) -> str:
    """The outermost function that is not a wrapper: neither a closure of the function that has the `go` statement nor
    the standard library's, such as errgroup's, when the goroutine has gone on to another. Else what runs first.
    """
    for frame in reversed(frames):
        if not frame.function.startswith(f"{created_in}.") and not is_standard(frame.function):
            return frame.function
    return frames[-1].function if frames else ""


def _is_not_standard(frame: Frame) -> bool:
    return not is_standard(frame.function)
