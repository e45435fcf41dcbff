"""Which snapshots the store has of a process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gosonde_collector.evidence.model import GOROUTINE, LEAK, MEMORY
from gosonde_collector.model import ages
from gosonde_collector.model.values import Search
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import StoredProfile
from gosonde_collector.web.process_rows import ProcessRow

#: Snapshots of a list, and of the page of a process.
MOST: Final = 500
MOST_ON_PROCESS: Final = 5


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A snapshot; `age_ns` is since it was taken."""

    profile: StoredProfile
    age_ns: int

    @property
    def shows_goroutines(self) -> bool:
        """Whether it can be looked at here."""
        return self.profile.kind in (GOROUTINE, LEAK)

    @property
    def what(self) -> str:
        """How it was made and what it is of."""
        return "memory" if self.profile.format == MEMORY else f"pprof {self.profile.kind}"


@dataclass(frozen=True, slots=True)
class SnapshotList:
    """The newest first.

    Attributes:
        left_out: How many older ones are not in `rows`.
        search: What the newest proof found; None when there was none.
        search_age_ns: How old that is.
    """

    process: ProcessRow
    rows: Sequence[SnapshotRow]
    left_out: int
    search: Search | None
    search_age_ns: int

    @property
    def address(self) -> str:
        """Of the page of all of them, with the process's key."""
        return self.process.below("snapshots")

    @property
    def comparable(self) -> list[SnapshotRow]:
        """Those of which two can be compared."""
        return [row for row in self.rows if row.shows_goroutines]


def listed(store: Store, process: ProcessRow, most: int, now_unix_nano: int) -> SnapshotList:
    """What there is. Raises StoreError."""
    host, key = process.known.host, process.known.process.key
    offset = store.clock_offsets().get(host, 0)
    found, known = store.profiles(host, key, most)
    search = store.search(host, key)
    searched = max(now_unix_nano + offset - search.searched_unix_nano, 0) if search else 0
    rows = [row(profile, now_unix_nano, offset) for profile in found]
    return SnapshotList(process, rows, known - len(rows), search, searched)


def row(profile: StoredProfile, now_unix_nano: int, clock_offset_ns: int) -> SnapshotRow:
    """The profile with how old it is."""
    age = ages.since(profile.taken_unix_nano, profile.stored_unix_nano, now_unix_nano, clock_offset_ns)
    return SnapshotRow(profile, age)


def document(found: SnapshotList) -> dict[str, Any]:
    """What `?format=json` gives."""
    search = found.search
    return {
        "snapshots": list(map(of_snapshot, found.rows)),
        "snapshots_left_out": found.left_out,
        "proof": search
        and {
            "searched_unix_nano": search.searched_unix_nano,
            "age_ns": found.search_age_ns,
            "examined": sum(site.examined for site in search.sites.values()),
            "proved": sum(site.proved for site in search.sites.values()),
            "probable": sum(site.probable for site in search.sites.values()),
        },
    }


def of_snapshot(one: SnapshotRow) -> dict[str, Any]:
    """One of the list; `goroutines` is null for kinds that show none."""
    return {
        "id": one.profile.id,
        "kind": one.profile.kind,
        "format": one.profile.format,
        "taken_unix_nano": one.profile.taken_unix_nano,
        "age_ns": one.age_ns,
        "goroutines": one.profile.goroutines if one.shows_goroutines else None,
    }
