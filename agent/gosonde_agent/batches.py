"""One observation as messages that are small enough to send."""

from collections.abc import Iterator
from dataclasses import replace

from gosonde_agent import wire
from gosonde_agent.model import Observation, Process, Site

#: gRPC refuses messages above 4 MiB by default; a batch stays well below.
MAX_BATCH_BYTES = 2 << 20


def messages(
    observation: Observation, known: set[Site], max_bytes: int = MAX_BATCH_BYTES
) -> Iterator[wire.ObservationMessage]:
    """The observation in messages of at most `max_bytes`, in order; each names sites not in `known`, and adds them.

    A single row is sent whatever its size: `wire.MAX_TEXT` bounds it.

    Raises:
        ValueError: As `wire.encode`.
    """
    message = wire.encode(observation, known)
    if message.ByteSize() <= max_bytes or not (parts := _halves(observation)):
        known.update(row.site for row in observation.site_counts)
        yield message
        return
    for part in parts:
        yield from messages(part, known, max_bytes)


def _halves(observation: Observation) -> tuple[Observation, ...]:
    """By process while there are several, then by row; empty when there is nothing to part."""
    count = len(observation.processes)
    if count > 1:
        return _of(observation, observation.processes[: count // 2]), _of(
            observation, observation.processes[count // 2 :]
        )
    tables = ("site_counts", "park_counts", "pauses", "gc_cycles", "gc_totals")
    rows = {name: getattr(observation, name) for name in tables}
    if max(map(len, rows.values())) < 2:
        return ()
    first = {name: table[: len(table) // 2] for name, table in rows.items()}
    second = {name: table[len(table) // 2 :] for name, table in rows.items()}
    return replace(observation, **first), replace(observation, **second)


def _of(observation: Observation, processes: tuple[Process, ...]) -> Observation:
    keys = {process.key for process in processes}
    return replace(
        observation,
        processes=processes,
        site_counts=tuple(row for row in observation.site_counts if row.process in keys),
        park_counts=tuple(row for row in observation.park_counts if row.process in keys),
        pauses=tuple(row for row in observation.pauses if row.process in keys),
        gc_cycles=tuple(row for row in observation.gc_cycles if row.process in keys),
        gc_totals=tuple(row for row in observation.gc_totals if row.process in keys),
    )
