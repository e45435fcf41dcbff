"""What the collector has not acknowledged yet, in memory and bounded.

Counters are totals, so only the newest value of each matters: while the collector is away, a newer total takes the
place of an older one and nothing queues. Pauses and GC cycles are events: they wait in a queue that drops its oldest.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from gosonde_agent.model import GcCycle, GcTotal, Observation, ParkCount, Pause, Process, ProcessKey, SiteCount

#: Loss counters that the spool keeps.
EVENTS_DROPPED = "uplink_events_dropped"
PROCESSES_DROPPED = "uplink_processes_dropped"

Event = Pause | GcCycle


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much the spool holds.

    Attributes:
        events: Pauses and GC cycles that wait or are under way.
        ended_processes: Processes that are gone from the host but not acknowledged to the end.
        ended_rows: Counter rows of those processes together.
    """

    events: int = 50_000
    ended_processes: int = 10_000
    ended_rows: int = 100_000


@dataclass(slots=True)
class _Held:
    """The newest values of one process, and which of them this stream has not carried yet (`new_*`).

    `ticket` is the newest one that carried anything of the process, `offer` the newest offer that held it.
    """

    process: Process
    offer: int
    ticket: int = 0
    sites: dict[int, SiteCount] = field(default_factory=dict)
    parks: dict[str, ParkCount] = field(default_factory=dict)
    gc_total: GcTotal | None = None
    new_process: bool = True
    new_sites: dict[int, SiteCount] = field(default_factory=dict)
    new_parks: dict[str, ParkCount] = field(default_factory=dict)
    new_gc_total: GcTotal | None = None

    @property
    def is_new(self) -> bool:
        return bool(self.new_process or self.new_sites or self.new_parks or self.new_gc_total)

    @property
    def rows(self) -> int:
        return len(self.sites) + len(self.parks)

    def offer_process(self, process: Process, offer: int) -> None:
        self.offer = offer
        if process is not self.process and process != self.process:
            self.process = process
            self.new_process = True

    def offer_site(self, row: SiteCount) -> None:
        if self.sites.get(row.site.pc) != row:
            self.sites[row.site.pc] = self.new_sites[row.site.pc] = row

    def offer_park(self, row: ParkCount) -> None:
        if self.parks.get(row.wait_reason) != row:
            self.parks[row.wait_reason] = self.new_parks[row.wait_reason] = row

    def offer_gc_total(self, row: GcTotal) -> None:
        if self.gc_total != row:
            self.gc_total = self.new_gc_total = row

    def mark_carried(self, ticket: int) -> None:
        self.ticket = ticket
        self.new_process = False
        self.new_sites, self.new_parks, self.new_gc_total = {}, {}, None

    def mark_all_new(self) -> None:
        self.new_process = True
        self.new_sites, self.new_parks, self.new_gc_total = dict(self.sites), dict(self.parks), self.gc_total


class Spool:
    """Takes in observations, gives out what is new in them, and keeps it until it is acknowledged.

    A process is forgotten once the observations no longer hold it and all of it is acknowledged.
    """

    def __init__(self, limits: SpoolLimits = SpoolLimits()) -> None:
        self._limits = limits
        self._held: dict[ProcessKey, _Held] = {}
        self._waiting: deque[tuple[_Held, Event]] = deque()
        self._under_way: deque[tuple[int, _Held, Event]] = deque()
        self._offers = 0
        self._ticket = 0
        self._acknowledged = 0
        self._taken_unix_nano = 0
        self._offered_losses: dict[str, int] = {}
        self._losses = {EVENTS_DROPPED: 0, PROCESSES_DROPPED: 0}
        self._fresh = False

    @property
    def fresh(self) -> bool:
        """There was an offer since everything was taken, or something is left from an earlier one."""
        return self._fresh

    @property
    def settled(self) -> bool:
        """Everything was taken and acknowledged."""
        return not self._fresh and self._acknowledged == self._ticket

    def losses(self) -> dict[str, int]:
        """What the spool had to drop, by name, since the start."""
        return dict(self._losses)

    def offer(self, observation: Observation) -> None:
        """Takes in the newest totals and the events since the last offer.

        Rows that are missing are unchanged. Counter rows of a process that was never offered are left for an offer
        that holds it; its events are dropped and counted.
        """
        self._offers += 1
        self._fresh = True
        self._taken_unix_nano = observation.taken_unix_nano
        self._offered_losses = dict(observation.losses)
        self._offer_processes(observation.processes)
        self._offer_rows(observation)
        self._offer_events(observation.pauses)
        self._offer_events(observation.gc_cycles)
        self._forget()

    def take(self, max_rows: int) -> tuple[int, Observation]:
        """A ticket, and the next observation for this stream: about `max_rows` rows and as many events, oldest first.

        While `fresh` stays true there is more to take.
        """
        self._ticket += 1
        chosen, left = self._choose(max_rows)
        sites = tuple(row for held in chosen for row in held.new_sites.values())
        parks = tuple(row for held in chosen for row in held.new_parks.values())
        totals = tuple(held.new_gc_total for held in chosen if held.new_gc_total)
        events = self._take_events(max_rows)
        processes = {held.process.key: held.process for held, _ in events}
        processes.update((held.process.key, held.process) for held in chosen)
        for held in chosen:
            held.mark_carried(self._ticket)
        self._fresh = left or bool(self._waiting)
        return self._ticket, Observation(
            taken_unix_nano=self._taken_unix_nano,
            processes=tuple(processes.values()),
            site_counts=sites,
            park_counts=parks,
            pauses=tuple(event for _, event in events if isinstance(event, Pause)),
            gc_cycles=tuple(event for _, event in events if isinstance(event, GcCycle)),
            gc_totals=totals,
            losses={**self._offered_losses, **self._losses},
        )

    def acknowledge(self, ticket: int) -> None:
        """Everything that was taken up to `ticket` is stored elsewhere."""
        self._acknowledged = max(self._acknowledged, ticket)
        while self._under_way and self._under_way[0][0] <= ticket:
            self._under_way.popleft()

    def rewind(self) -> None:
        """A new stream begins: every total that is held and every unacknowledged event is new again."""
        for held in self._held.values():
            held.mark_all_new()
        self._waiting.extendleft((held, event) for _, held, event in reversed(self._under_way))
        self._under_way.clear()
        self._fresh = self._offers > 0

    def _offer_processes(self, processes: Iterable[Process]) -> None:
        for process in processes:
            held = self._held.get(process.key)
            if held is None:
                self._held[process.key] = _Held(process, self._offers)
            else:
                held.offer_process(process, self._offers)

    def _offer_rows(self, observation: Observation) -> None:
        for site in observation.site_counts:
            if held := self._held.get(site.process):
                held.offer_site(site)
        for park in observation.park_counts:
            if held := self._held.get(park.process):
                held.offer_park(park)
        for total in observation.gc_totals:
            if held := self._held.get(total.process):
                held.offer_gc_total(total)

    def _offer_events(self, events: Iterable[Event]) -> None:
        for event in events:
            if held := self._held.get(event.process):
                self._enqueue(held, event)
            else:
                self._losses[EVENTS_DROPPED] += 1

    def _enqueue(self, held: _Held, event: Event) -> None:
        if len(self._waiting) + len(self._under_way) >= self._limits.events:
            self._losses[EVENTS_DROPPED] += 1
            if not self._waiting:
                return
            self._waiting.popleft()
        self._waiting.append((held, event))

    def _forget(self) -> None:
        """Lets go of processes that are gone: those delivered, and of the others the oldest beyond the limits."""
        gone = [held for held in self._held.values() if held.offer != self._offers]
        undelivered = deque(held for held in gone if held.is_new or held.ticket > self._acknowledged)
        rows = sum(held.rows for held in undelivered)
        while len(undelivered) > self._limits.ended_processes or rows > self._limits.ended_rows:
            rows -= undelivered.popleft().rows
            self._losses[PROCESSES_DROPPED] += 1
        kept = {id(held) for held in undelivered}
        for held in gone:
            if id(held) not in kept:
                del self._held[held.process.key]

    def _choose(self, max_rows: int) -> tuple[list[_Held], bool]:
        """Processes with something new, until they have `max_rows` rows; and whether others are left."""
        chosen: list[_Held] = []
        rows = 0
        for held in self._held.values():
            if not held.is_new:
                continue
            if rows >= max_rows:
                return chosen, True
            chosen.append(held)
            rows += 1 + len(held.new_sites) + len(held.new_parks)
        return chosen, False

    def _take_events(self, count: int) -> list[tuple[_Held, Event]]:
        events = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        self._under_way.extend((self._ticket, held, event) for held, event in events)
        return events
