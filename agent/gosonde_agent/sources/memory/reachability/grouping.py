"""Many goroutines that are held alike, as one holder: ways that differ only in indexes are shown as one."""

import re
from collections.abc import Iterable
from typing import Final

from gosonde_common.values.reachability import Holder

#: An index behind a name, or what stands for one; no length of an array in the name of a type.
INDEX: Final = re.compile(r"(?<=[\w\]])(\[(?:\d+|\*)\])(?=[.\[]|$)")
ANY: Final = "[*]"
#: Holders of one `go` statement that are shown; the others are left out.
MAX_HOLDERS: Final = 16


def grouped(ways: Iterable[tuple[str, ...]]) -> tuple[Holder, ...]:
    """Who holds goroutines, by the names of the way to each: who holds most first, at most MAX_HOLDERS of them.

    An index stays where all goroutines of a group have the same, else "[*]" stands for it.
    """
    groups: dict[tuple[str, ...], tuple[tuple[str, ...], int]] = {}
    for way in ways:
        key = tuple(INDEX.sub(ANY, element) for element in way)
        shown, count = groups.get(key, (way, 0))
        groups[key] = (tuple(map(_common, shown, way)), count + 1)
    found = sorted(groups.values(), key=lambda group: (-group[1], group[0]))
    return tuple(Holder(way, count) for way, count in found[:MAX_HOLDERS])


def _common(one: str, other: str) -> str:
    """Two elements that differ only in indexes, as one."""
    if one == other:
        return one
    parts = zip(INDEX.split(one), INDEX.split(other), strict=True)
    return "".join(part if part == same else ANY for part, same in parts)
