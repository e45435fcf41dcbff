"""What was seen of one traced process."""

from dataclasses import dataclass, field

from gosonde_common.values.observation import (
    GcCycle,
    GcTotal,
    Observation,
    Pause,
    ProbeCost,
    Process,
    SiteCount,
    SiteEstimate,
)

from gosonde_agent.sources.kinds import EBPF, Kind
from gosonde_agent.watch.timeline.values import Timeline

#: Stops of the world that are kept one by one: two hours of 14 a second.
MOST_PAUSES = 100_000


@dataclass(slots=True)
class Trace:
    """What was seen of one process.

    Attributes:
        sites: The newest totals of every go statement.
        estimates: What was probably at each of them of what is counted without its statement.
        pauses: The stop-the-world pauses that `gc` counts, in order; of more than `MOST_PAUSES` the newest.
        losses: By counter name; all 0 when nothing was lost.
        observed_unix_nano: When the process was observed last.
        cost: What the probes have cost the process by what a hit costs on a usual machine, which is not measured here.
        kind: Of the source.
        why: Why that is the source, for people.
        exit_code: Of the command that was run, negative for a signal; None where it was stopped or none was run.
        cycles: The GC cycles that were seen, in order; of more than `MOST_PAUSES` the newest.
        timeline: What each goroutine did in the window that was asked for; None where there was none.
        became: The program that the process runs since by exec, as far as it is known; empty where it runs none.
        left: Why the source counted no more before the time was over; empty where it counted to the end.
    """

    process: Process | None = None
    sites: tuple[SiteCount, ...] = ()
    gc: GcTotal | None = None
    pauses: list[Pause] = field(default_factory=list)
    losses: dict[str, int] = field(default_factory=dict)
    observed_unix_nano: int = 0
    estimates: tuple[SiteEstimate, ...] = ()
    cost: ProbeCost | None = None
    kind: Kind = EBPF
    why: str = ""
    left: str = ""
    exit_code: int | None = None
    became: str = ""
    cycles: list[GcCycle] = field(default_factory=list)
    timeline: Timeline | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to have ended."""
        return self.process is not None and self.process.ended_unix_nano != 0

    def add(self, observation: Observation, pid: int | None) -> None:
        """Records an observation; without a pid the first process in it is the one."""
        if self.process is None:
            self.process = next((p for p in observation.processes if pid in (None, p.key.pid)), None)
        self.losses = dict(observation.losses)
        if self.process is None:
            return
        key = self.process.key
        if (found := next((p for p in observation.processes if p.key == key), None)) is not None:
            self.process, self.observed_unix_nano = found, observation.taken_unix_nano
        sites = tuple(row for row in observation.site_counts if row.process == key)
        self.sites = sites or self.sites
        self.estimates = tuple(row for row in observation.estimates if row.process == key) or self.estimates
        self.gc = next((row for row in observation.gc_totals if row.process == key), self.gc)
        self.cost = next((row for row in observation.probe_costs if row.process == key), self.cost)
        self.add_pauses(observation)

    def add_pauses(self, observation: Observation) -> None:
        """Records the stops and the GC cycles of the process alone."""
        if self.process is not None:
            self.pauses += [row for row in observation.pauses if row.process == self.process.key]
            self.cycles += [row for row in observation.gc_cycles if row.process == self.process.key]
            del self.pauses[:-MOST_PAUSES], self.cycles[:-MOST_PAUSES]

    @property
    def pauses_left_out(self) -> int:
        """How many of the pauses that `gc` counts are not among `pauses`: older ones, and those that were lost."""
        return max((self.gc.pauses if self.gc else 0) - len(self.pauses), 0)

    def keep_counted_pauses(self) -> None:
        """Drops the stops that happened after the totals were read."""
        counted = self.gc.pauses if self.gc else 0
        self.pauses = [pause for pause in self.pauses if pause.ordinal < counted]
