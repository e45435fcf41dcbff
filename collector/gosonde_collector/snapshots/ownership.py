"""Which process a pushed profile belongs to."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import NotFoundError

from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.model.values import KnownProcess
from gosonde_collector.store.protocol import Store

#: Clocks of the host, of who pushes and of the collector may differ by this much.
CLOCKS_NS: Final = 5_000_000_000
#: A profile from further in the future is refused.
FUTURE_NS: Final = 300_000_000_000
#: Pids and hosts that an error message lists.
LISTED: Final = 20


def host_now(store: Store, host: str) -> int:
    """The time by the clock of a host, as far as the collector knows how that one goes. Raises StoreError."""
    return steady_unix_nano() + store.clock_offsets().get(host, 0)


def taken_at(profile_unix_nano: int, header_unix_nano: int, now: int) -> int:
    """When a profile was taken: what it says itself counts most, then what its sender says, then `now` on its host.

    Raises:
        ProfileError: That is well in the future.
    """
    taken = profile_unix_nano or header_unix_nano or now
    if not 0 < taken <= now + FUTURE_NS:
        raise ProfileError(
            f"the profile was taken at {taken} ns since 1970, which is not in the past", Refusal.UNTIMELY
        )
    return taken


def owner(known: Iterable[KnownProcess], host: str, pid: int, taken_unix_nano: int) -> KnownProcess:
    """The process that had the pid on the host when the profile was taken.

    Raises:
        NotFoundError: There is none; says what is known of the host.
    """
    known = list(known)
    here = [process for process in known if process.host == host]
    same = [process for process in here if process.process.key.pid == pid]
    alive = [process for process in same if _lived_at(process, taken_unix_nano)]
    if alive:
        return max(alive, key=lambda process: process.process.started_unix_nano)
    if same:
        when = datetime.fromtimestamp(taken_unix_nano / 1e9, UTC).isoformat(" ", "seconds")
        raise NotFoundError(f"the snapshot was taken at {when}, when the process {pid} known on {host} did not run")
    if here:
        pids = _listing(process.process.key.pid for process in here)
        raise NotFoundError(f"no process {pid} is known on {host}; known there: {pids}")
    hosts = _listing(process.host for process in known) or "none"
    raise NotFoundError(f"no process of a host {host} is known; known hosts: {hosts} (see gosonde processes)")


def _lived_at(known: KnownProcess, unix_nano: int) -> bool:
    process = known.process
    if unix_nano < process.started_unix_nano - CLOCKS_NS:
        return False
    return not process.ended_unix_nano or unix_nano <= process.ended_unix_nano + CLOCKS_NS


def _listing(values: Iterable[int | str]) -> str:
    distinct = sorted(set(values), key=str)
    more = f" and {len(distinct) - LISTED} more" if len(distinct) > LISTED else ""
    return ", ".join(map(str, distinct[:LISTED])) + more
