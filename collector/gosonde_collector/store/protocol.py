"""What the collector needs of a store. A clustered store implements the same."""

from collections.abc import Sequence
from typing import BinaryIO, Protocol

import numpy as np
from gosonde_common.values.audit import AuditEvent
from numpy.typing import NDArray

from gosonde_collector.evidence.context import ContentionProfile, HeapProfile
from gosonde_collector.evidence.escapes.model import Escapes
from gosonde_collector.evidence.parse import Profile
from gosonde_collector.model.values import (
    Batch,
    GcCycle,
    GcTotal,
    KnownProcess,
    Loss,
    ParkTotal,
    ProcessFilter,
    ProcessKey,
    Search,
    Site,
    SiteTotal,
    Stream,
)
from gosonde_collector.store.records import (
    AuditRecord,
    Counters,
    EscapesRead,
    Estimates,
    FindingRecord,
    GcColumns,
    Mute,
    Past,
    Reported,
    Running,
    Series,
    Snapshot,
    SnapshotHead,
    StateSeen,
    StoredProfile,
    TimersRead,
)


class Store(Protocol):
    """Every method blocks, may be called from any thread, and raises StoreError when the store fails.

    What stores something raises DiskFullError while less than `min_free_bytes` of room is left, if that is known.
    """

    min_free_bytes: int

    def append(self, batches: Sequence[Batch]) -> None:
        """Stores all batches or none, durably. A batch whose sequence its stream is already past is ignored."""

    def acknowledged(self, stream: Stream) -> int:
        """The highest sequence of the stream that is stored; 0 when there is none."""

    def processes(self, which: ProcessFilter) -> list[KnownProcess]:
        """Every process that is known, the refused and the ended too: running ones first, then the newest."""

    def sites(self, which: ProcessFilter) -> list[SiteTotal]:
        """The latest totals of every site: running processes first, then the most live goroutines."""

    def keys(self, which: ProcessFilter) -> list[ProcessKey]:
        """Of every process that is known, in the order of `processes`."""

    def past(self, host: str, process: ProcessKey) -> Past | None:
        """One process with its sites, as they are and as they were in the last hour; None when it is not known."""

    def parks(self, which: ProcessFilter) -> list[ParkTotal]:
        """The newest estimate for each wait reason: running processes first, then the most parks."""

    def clock_offsets(self) -> dict[str, int]:
        """By how many nanoseconds each host's clock is ahead of the collector's (negative: behind), of late.

        The time that a batch takes from the agent's reading to the store makes it too low by as much.
        """

    def gc_totals(self) -> list[GcTotal]:
        """The latest total of every process that runs."""

    def losses(self) -> list[Loss]:
        """The latest total of every loss counter of the present run of each host's agent."""

    def gc_cycles(self, which: ProcessFilter, limit: int) -> list[GcCycle]:
        """The newest `limit` cycles of each process, newest first."""

    def gc_columns(self, number: int, since_unix_nano: int) -> GcColumns:
        """The cycles and pauses that were reported from a moment on, of the process that `running` numbers so."""

    def heard(self, number: int, since_unix_nano: int) -> NDArray[np.int64]:
        """When the agent of the process that `running` numbers so observed anything: ascending, from a moment on."""

    def running(self) -> dict[int, Running]:
        """Every process that runs, by a number that other methods name it by."""

    def searches(self) -> dict[int, Search]:
        """What the newest search of each process that runs found, by the process's number."""

    def search(self, host: str, process: ProcessKey) -> Search | None:
        """What the newest search of one process found, whether that runs or not; None when there was none."""

    def timers(self, host: str, process: ProcessKey, lookback_ns: int) -> list[TimersRead]:
        """The readings of pending timers of one process, the oldest first, up to so long before the newest of them."""

    def newest_timers(self, within_ns: int) -> dict[int, TimersRead]:
        """The newest reading of the pending timers of each process that runs, by the process's number.

        Readings that are older than the newest batch by more than `within_ns` are left out.
        """

    def base_counters(self, lookback_ns: int) -> Counters:
        """The totals that each site of a running process had before the recent past."""

    def new_counters(self, stored_unix_nano: int, batches: int) -> Counters | None:
        """The totals in about so many batches, the first stored after a moment (0: all); None when there are none."""

    def series(self, sites: Sequence[tuple[int, int]], lookback_ns: int) -> list[Series]:
        """The recent past of each of these sites, (process number, pc), whose process runs; in no order."""

    def estimates(self, sites: Sequence[tuple[int, int]], lookback_ns: int) -> dict[tuple[int, int], Estimates]:
        """What was estimated of these sites in the time up to the newest estimate of each, and last before it.

        Sites of which nothing was are left out.
        """

    def site_names(self, build_id: str, pcs: Sequence[int]) -> list[Site]:
        """What is known of sites of a build, in their order."""

    def site_series(self, host: str, process: ProcessKey, pc: int, lookback_ns: int) -> Series | None:
        """The recent past of one site, whether it grew or not; None when its process is not known or has ended."""

    def add_snapshot(self, host: str, process: ProcessKey, taken_unix_nano: int, profile: Profile) -> str:
        """Stores a profile of a process and returns its id."""

    def snapshot_heads(self, most: int) -> list[SnapshotHead]:
        """The newest goroutine and goroutineleak profiles: so many of each process, of each kind and source."""

    def profiles(
        self, host: str, process: ProcessKey, most: int, profile_id: str = ""
    ) -> tuple[list[StoredProfile], int]:
        """The newest `most` profiles of a process, and how many of it there are; or the one of an id, if it is its."""

    def snapshot(self, snapshot_id: str) -> Snapshot | None:
        """A goroutine or goroutineleak profile; None when it is there no longer."""

    def states_seen(self, host: str, process: ProcessKey, line: int, most: int) -> list[StateSeen]:
        """Of goroutines that were created at a line of any file, in the newest `most` snapshots of a process's memory.

        The newest first, of each the most goroutines first.
        """

    def first_seen(self, host: str, process: ProcessKey, line: int, goids: Sequence[int], most: int) -> dict[int, int]:
        """When the first of the newest `most` snapshots of a process's memory that has each goroutine was taken.

        `line` is where they were created.
        """

    def newest_heap(self, host: str, process: ProcessKey) -> HeapProfile | None:
        """The heap profile of the process that was taken last."""

    def newest_contention(self, host: str, process: ProcessKey, kind: str) -> ContentionProfile | None:
        """The block or mutex profile (evidence.model.BLOCK, MUTEX, or TRACE) of the process that was taken last."""

    def save_escapes(self, build_id: str, found: Escapes) -> bool:
        """Stores what the compiler says of a build in place of what was stored of it; whether there was anything.

        What was stored first makes room: of 64 builds, and of a million values and functions, the newest are kept.
        """

    def escapes(self, build_id: str, names: Sequence[str]) -> EscapesRead | None:
        """What is stored of a build's files with one of these names, without folders; None without any output."""

    def save_findings(self, findings: Sequence[FindingRecord]) -> None:
        """Stores a new version of each finding."""

    def findings(self) -> list[FindingRecord]:
        """The newest version of every finding."""

    def save_mutes(self, mutes: Sequence[Mute]) -> None:
        """Stores these in place of all that were stored before."""

    def mutes(self) -> list[Mute]:
        """Those that were stored last, in their order, also those that are over."""

    def save_reported(self, reported: Sequence[Reported]) -> None:
        """Stores what receivers of alerts know in place of all that was stored before."""

    def reported(self) -> list[Reported]:
        """What was stored last."""

    def add_audit(self, host: str, run: str, event: AuditEvent) -> None:
        """Stores what was done at the collector itself, in one of its runs; `host` is whose process it is about, or "".

        Raises DiskFullError.
        """

    def audit(self, which: ProcessFilter, since_unix_nano: int, limit: int) -> list[AuditRecord]:
        """The newest `limit` acts that were stored from a moment on, the last one first; each once."""

    def expire(
        self, before_unix_nano: int, minutes_unix_nano: int | None = None, hours_unix_nano: int | None = None
    ) -> None:
        """Deletes what was stored before a moment, except totals of processes that still run, and of agents' losses.

        Of these the last one of each minute stays, by the agent's clock; of those that were stored before
        `minutes_unix_nano` the last one of each hour; and of those before `hours_unix_nano` the newest alone. Without
        these moments: of all that was stored before `before_unix_nano`. What was stored within an hour of a moment may
        stay an hour longer.
        """

    def oldest(self) -> int:
        """When the oldest batch was stored that is still there, in nanoseconds since the epoch; now without any."""

    def checkpoint(self) -> None:
        """Moves what was committed from the log, which one damaged byte cuts off, to where only its own bytes can
        damage it. Nothing happens while there is no room, or in a store without such a log."""

    def size(self) -> int:
        """Bytes in use."""

    def room(self) -> str:
        """Why nothing can be stored for want of room, or of a server that answers; empty when something can."""

    def free(self) -> int | None:
        """Bytes of room on the disk; None where that is not known."""

    def backup(self) -> BinaryIO:
        """A copy of everything that was stored up to now. It is in no folder, and gone once it is closed.

        Raises:
            DiskFullError: There is no room for a second copy on the store's disk.
            UnsupportedError: What keeps the store has means of its own for that.
        """

    def close(self) -> None:
        """Closes the store; nothing may be called afterwards."""
