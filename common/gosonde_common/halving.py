"""Finding what is wrong among many things by looking at halves: one that is sound as a whole takes one look."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Part = TypeVar("Part")


def sound(parts: Sequence[Part], is_sound: Callable[[Sequence[Part]], bool]) -> tuple[Part, ...]:
    """Those that are sound, in their order: of parts that are not so together, each half by itself."""
    if not parts or is_sound(parts):
        return tuple(parts)
    if len(parts) == 1:
        return ()
    middle = len(parts) // 2
    return sound(parts[:middle], is_sound) + sound(parts[middle:], is_sound)
