"""A process's live contexts in one call: two readings that must agree, and with a duration two pairs of them."""

import time
from collections import Counter
from dataclasses import replace
from typing import Final

import numpy as np

from gosonde_agent.sources.memory.contexts.grouping import grouped
from gosonde_agent.sources.memory.contexts.reading import HELD, ContextReader, Found
from gosonde_agent.sources.memory.contexts.values import ContextGroup, LiveContexts
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.rows import Bools, among
from gosonde_agent.sources.memory.target import Target

#: A reading that contradicts itself is made again; so many in all.
ATTEMPTS: Final = 5


def read_contexts(target: Target, over_seconds: float = 0.0) -> LiveContexts:
    """The live contexts of a process now, without a stop of it; with what grew where there is time between readings.

    Args:
        over_seconds: How long to wait before it is all read again; 0 for once.

    Raises:
        NotLocatedError: Where the heap is is not known.
        UnsupportedBinaryError: How the heap or contexts are laid out is not known.
        NotDecidedError: It takes more than the limits allow.
        ImplausibleMemoryError: What was read contradicts itself each time.
        GosondeError: The process has ended, or may not be read.
    """
    reader = ContextReader(target)
    if not reader.types.kinds:
        return LiveContexts((), has_package=False)
    before = listed(reader, *settled(reader))
    if not over_seconds:
        return before
    time.sleep(over_seconds)
    return grown(before, listed(reader, *settled(reader)))


def settled(reader: ContextReader) -> tuple[Found, int, int]:
    """(contexts of which two readings, one after the other, say the same; how many changed; how many have no name).

    Who points to a context may move within a map that is read, and so is believed where one reading saw it.

    Raises:
        GosondeError: As `ContextReader.read`.
    """
    first, second = _read(reader), _read(reader)
    stays = _same(first, second)
    changing = int((first.alive & (first.kind >= 0)).sum() + (second.alive & (second.kind >= 0)).sum())
    before, after = first.selected(among(first.of.at, second.of.at[stays])), second.selected(stays)
    merged = replace(
        after,
        kind=np.maximum(before.kind, after.kind),
        alive=before.alive | after.alive,
        cancel=np.maximum(before.cancel, after.cancel),
    )
    named = merged.alive & (merged.kind >= 0)
    unnamed = int((merged.alive & (merged.kind < 0) & (merged.cancel == HELD)).sum())
    changing -= int((before.alive & (before.kind >= 0)).sum() + (after.alive & (after.kind >= 0)).sum())
    return merged.selected(named), changing, unnamed


def _same(first: Found, second: Found) -> Bools:
    """Which contexts of the second reading are in the first one, as they are."""
    stays = among(second.of.at, first.of.at)
    row = np.searchsorted(first.of.at, second.of.at[stays])
    for name in ("size", "parent", "parent_data", "wall", "ext"):
        stays[stays] = getattr(first.of, name)[row] == getattr(second.of, name)[stays]
        row = np.searchsorted(first.of.at, second.of.at[stays])
    return stays


def _read(reader: ContextReader) -> Found:
    for _ in range(ATTEMPTS - 1):
        try:
            return reader.read()
        except (ImplausibleMemoryError, UnreadableMemoryError):
            continue
    return reader.read()


def listed(reader: ContextReader, found: Found, changing: int, unnamed: int) -> LiveContexts:
    """In groups, the largest first.

    Raises:
        GosondeError: The process has ended, or may not be read.
    """
    return LiveContexts(grouped(reader, found), changing, unnamed)


def grown(before: LiveContexts, after: LiveContexts) -> LiveContexts:
    """The later of two readings, with how much each group grew, those that grew most first."""
    was = Counter({_key(group): group.live for group in before.groups})
    groups = [replace(group, grown=group.live - was[_key(group)]) for group in after.groups]
    return replace(after, groups=sorted(groups, key=lambda group: -(group.grown or 0)))


def _key(group: ContextGroup) -> tuple[object, ...]:
    return group.kind, group.cancel, tuple(group.parents), group.waits_in, group.created_by
