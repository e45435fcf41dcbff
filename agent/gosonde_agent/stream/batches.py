"""One observation as messages that are small enough to send."""

from collections.abc import Iterator
from dataclasses import replace

from gosonde_common.values.observation import TABLES, Observation, Site

from gosonde_agent.wire import encoding

#: gRPC refuses messages above 4 MiB by default; a batch stays well below.
MAX_BATCH_BYTES = 2 << 20


def messages(
    observation: Observation, known: set[Site], max_bytes: int = MAX_BATCH_BYTES
) -> Iterator[encoding.ObservationMessage]:
    """The observation in messages of at most `max_bytes`, in order; each names sites not in `known`, and adds them.

    A single row is sent whatever its size: `texts.MAX_TEXT` bounds it.

    Raises:
        ValueError: As `encoding.encode`.
    """
    message = encoding.encode(observation, known)
    if message.ByteSize() <= max_bytes or not (parts := _halves(observation)):
        known.update(encoding.sites_of(observation.site_counts))
        yield message
        return
    for part in parts:
        yield from messages(part, known, max_bytes)


def _halves(observation: Observation) -> tuple[Observation, ...]:
    """By process while there are several, then by row; empty when there is nothing to part."""
    count = len(observation.processes)
    if count > 1:
        processes = observation.processes
        first = replace(observation.of(processes[: count // 2]), audit=observation.audit)
        return first, observation.of(processes[count // 2 :])
    rows = {name: getattr(observation, name) for name in (*TABLES, "audit")}
    if max(map(len, rows.values())) < 2:
        return ()
    earlier = {name: table[: len(table) // 2] for name, table in rows.items()}
    later = {name: table[len(table) // 2 :] for name, table in rows.items()}
    return replace(observation, **earlier), replace(observation, **later)
