"""Snapshots that people have asked for on a page, and what became of them."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import GosondeError, OverloadedError
from gosonde_common.ratelimit import Rates

from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.model.by import By
from gosonde_collector.model.values import ProcessKey, SnapshotKind
from gosonde_collector.snapshots.elsewhere import Snapshots
from gosonde_collector.snapshots.requests import Proved, Taken
from gosonde_collector.web.gate import Visitor

log = structlog.get_logger(__name__)

#: Snapshots of one process: each second, and at once after a rest.
PER_SECOND, AT_ONCE = 0.05, 3.0
#: Under way at a time, of all processes.
MOST_UNDER_WAY: Final = 16
#: The newest of one process that are shown, and processes of which any are.
MOST_SHOWN, MOST_PROCESSES = 5, 200

#: A host, and a process of it.
Place = tuple[str, ProcessKey]


@dataclass(frozen=True, slots=True)
class Asked:
    """A snapshot that somebody asked for.

    Attributes:
        number: No other has it, since the collector started.
        by: Who asked; "" when no name is known.
        ended_unix_nano: When it was stored, or failed; 0 while it is under way.
        was_taken: It was stored.
        outcome: What it has, or why there is none; "" while it is under way.
        snapshot: The id of the snapshot, if it shows goroutines; else "".
    """

    number: int
    kind: SnapshotKind
    by: str
    asked_unix_nano: int
    ended_unix_nano: int = 0
    was_taken: bool = False
    outcome: str = ""
    snapshot: str = ""


class Asking:
    """Belongs to the page's event loop; any thread may read what was asked.

    Attributes:
        number: How often one was asked for, or ended.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._asked: OrderedDict[Place, tuple[Asked, ...]] = OrderedDict()
        self._rates = Rates(PER_SECOND, AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.number = 0

    def of(self, host: str, process: ProcessKey) -> tuple[Asked, ...]:
        """What was asked for of a process, the newest first."""
        return self._asked.get((host, process), ())

    def ask(self, host: str, process: ProcessKey, kind: SnapshotKind, visitor: Visitor) -> None:
        """Begins to take a snapshot, and returns at once.

        Raises:
            OverloadedError: One of the process is under way, or too many were asked for.
        """
        place = host, process
        if any(not asked.ended_unix_nano for asked in self.of(*place)):
            raise OverloadedError(f"a snapshot of process {process.pid} is being taken; wait until it is there")
        if len(self._tasks) >= MOST_UNDER_WAY:
            raise OverloadedError(f"{MOST_UNDER_WAY} snapshots are being taken already; try again later")
        if not self._rates.allows(f"{place}"):
            raise OverloadedError(f"too many snapshots of process {process.pid} were asked for; wait a minute")
        self.number += 1
        asked = Asked(self.number, kind, visitor.name, steady_unix_nano())
        self._asked[place] = (asked, *self.of(*place))[:MOST_SHOWN]
        self._asked.move_to_end(place)
        if len(self._asked) > MOST_PROCESSES:
            self._asked.popitem(last=False)
        log.info("snapshot asked for on the web page", host=host, pid=process.pid, kind=kind, by=visitor.name)
        task = asyncio.create_task(self._take(place, asked, visitor.by))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, place: Place, asked: Asked, by: By) -> None:
        host, process = place
        try:
            if asked.kind is SnapshotKind.PROOF:
                ended = _proved(asked, await self._snapshots.prove(host, process.pid, by))
            else:
                ended = _taken(asked, await self._snapshots.take_of(host, process, asked.kind, by))
        except GosondeError as error:
            ended = replace(asked, outcome=str(error))
        except Exception:
            log.exception("a snapshot for the web page failed", host=host, pid=process.pid)
            ended = replace(asked, outcome="That failed; the log of the collector says why.")
        self._end(place, replace(ended, ended_unix_nano=steady_unix_nano()))

    def _end(self, place: Place, ended: Asked) -> None:
        self.number += 1
        if place in self._asked:
            self._asked[place] = tuple(ended if one.number == ended.number else one for one in self._asked[place])


def document(asked: Asked) -> dict[str, Any]:
    """What `?format=json` gives."""
    return {
        "kind": asked.kind,
        "by": asked.by,
        "asked_unix_nano": asked.asked_unix_nano,
        "ended_unix_nano": asked.ended_unix_nano,
        "taken": asked.was_taken,
        "outcome": asked.outcome,
        "snapshot": asked.snapshot,
    }


def _taken(asked: Asked, taken: Taken) -> Asked:
    profile = taken.profile
    stacks = f"{len(profile.stacks):,} distinct stacks"
    if not isinstance(profile, GoroutineProfile):
        return replace(asked, was_taken=True, outcome=f"a {profile.kind} profile with {stacks}")
    has = f"{profile.goroutines:,} goroutines with {stacks}"
    return replace(asked, was_taken=True, outcome=has, snapshot=taken.id)


def _proved(asked: Asked, proved: Proved) -> Asked:
    found = proved.outcome
    counts = (
        f"of {found.examined:,} goroutines that wait, {found.proved:,} can never be woken (proved), "
        f"{found.probable:,} very probably not"
    )
    outcome = f"{counts}; not decided: {found.undecided}" if found.undecided else counts
    return replace(asked, was_taken=True, outcome=outcome)
