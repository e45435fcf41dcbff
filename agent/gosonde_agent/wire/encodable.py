"""Which parts of an observation fit into a message: one row that does not costs the others nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gosonde_common import halving
from gosonde_common.values.observation import TABLES, Observation

from gosonde_agent.wire.encoding import encode

#: The loss counter of what is left out.
ROWS_UNREPORTABLE = "rows_unreportable"
#: What a value that fits no field raises.
UNENCODABLE = (ValueError, TypeError, KeyError, AttributeError)


def encodable(observation: Observation) -> tuple[Observation, int]:
    """The observation without the processes and rows that fit no message, and how many they are.

    Rows of a process that is left out, or that is not there, are left out too. It takes about as long as `encode` for
    each of them, so it is for observations that `encode` refuses.
    """
    bare = _bare(observation)
    held = _with_fitting(bare, "processes", observation.processes)
    keys = {process.key for process in held.processes}
    losses = halving.sound(tuple(observation.losses.items()), lambda part: _fits(replace(bare, losses=dict(part))))
    sound = replace(_with_fitting(held, "audit", observation.audit), losses=dict(losses))
    for name in TABLES:
        rows = [row for row in getattr(observation, name) if row.process in keys]
        values: dict[str, Any] = {name: getattr(_with_fitting(held, name, rows), name)}
        sound = replace(sound, **values)
    return sound, _parts(observation) - _parts(sound)


def _bare(observation: Observation) -> Observation:
    """Its times alone. An interval that fits no message is one that is not known."""
    bare = Observation(observation.taken_unix_nano)
    known = replace(bare, interval_ns=observation.interval_ns)
    return known if _fits(known) else bare


def _with_fitting(held: Observation, name: str, parts: Sequence[Any]) -> Observation:
    """`held` with those of the parts, in the field `name`, with which it still fits a message."""

    def with_these(some: Sequence[Any]) -> Observation:
        values: dict[str, Any] = {name: tuple(some)}
        return replace(held, **values)

    return with_these(halving.sound(parts, lambda some: _fits(with_these(some))))


def _parts(observation: Observation) -> int:
    tables = (getattr(observation, name) for name in ("processes", "losses", "audit", *TABLES))
    return sum(len(table) for table in tables)


def _fits(observation: Observation) -> bool:
    try:
        encode(observation)
    except UNENCODABLE:
        return False
    return True
