"""What the probes cost their targets, and the steps and windows that keep it within the budget."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gosonde_common.values.observation import Observation, Process

from gosonde_agent.model.budget import Budget
from gosonde_agent.overhead.governor import Governor
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.overhead.parking import Parking, ParkSampler
from gosonde_agent.overhead.precheck import BudgetPrecheck
from gosonde_agent.overhead.sampling import SiteSampler
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.stepping import Stepper


class Costs:
    """Measures what the probes cost, steps levels, and opens windows on sites and parks.

    Attributes:
        governor: Decides on levels.
        precheck: Decides when there is nothing to decide.
        sites: Counts creations and exits in windows, at level sampled.
        parks: Counts parks in windows; None where that is not enabled.
    """

    def __init__(
        self,
        source: Source,
        meter: Meter,
        governor: Governor,
        stepper: Stepper,
        precheck: BudgetPrecheck,
        *,
        sites: SiteSampler,
        parks: ParkSampler | None = None,
    ) -> None:
        self.governor = governor
        self.precheck = precheck
        self.sites = sites
        self.parks = parks
        self._source = source
        self._meter = meter
        self._stepper = stepper

    def measure(self, hits: Mapping[Image, Hits]) -> None:
        """Records how often the probes were hit."""
        hits = self.sites.with_uncounted(hits)
        self._meter.measure(self.parks.with_parks(hits) if self.parks else hits)

    def govern(self) -> None:
        """Changes the level of whatever costs more than its budget, or much less; measures that where it can matter."""
        if not self.precheck.suffices(self._source.hit_slots()):
            self.measure(self._source.hits())
            self._stepper.govern(self.precheck.steady)

    @property
    def has_newcomers(self) -> bool:
        """Whether `govern_newcomers` should be called, since a process was just found."""
        return self._stepper.has_newcomers

    def govern_newcomers(self) -> None:
        """As `govern`, more often and without a precheck: it knows too little of who was just found."""
        self.measure(self._source.hits())
        self._stepper.govern(self.precheck.steady)

    def set_hit_costs(self, costs: HitCosts) -> None:
        """What hits cost is known better from now on."""
        self._meter.set_costs(costs)

    def set_budget(self, budget: Budget) -> None:
        """Holds to another budget from now on."""
        self.governor.budget = budget

    def switch(self, pid: int | None, numbers: Iterable[int], *, on: bool) -> list[Process]:
        """Detaches all probes from the file that a process runs, or (None) of all files, or attaches them again.

        Raises:
            NotFoundError: No such process is watched.
        """
        return [process.description for process in self._stepper.switch(pid, numbers, on=on)]

    def next_parking(self) -> Parking | None:
        """A window on parks that is due, if there is one: run it in any thread, then give it to `take_parking`."""
        return self.parks.next() if self.parks else None

    def parking_due_in(self) -> float:
        """Seconds until parks are due to be counted, as far as is known now."""
        return self.parks.due_in() if self.parks else float("inf")

    def take_parking(self, parking: Parking) -> None:
        """Records a window that has run."""
        if self.parks:
            self.parks.finish(parking)

    def added_to(self, observation: Observation) -> Observation:
        """The observation with what the probes cost, what windows say of sites, and parks."""
        estimates = tuple(self.sites.rows(observation.site_counts))
        observation = replace(
            observation,
            probe_costs=tuple(self._meter.rows()),
            estimates=estimates,
            losses={**observation.losses, **self.sites.losses},
        )
        if not self.parks:
            return observation
        losses = {**observation.losses, **self.parks.losses}
        return replace(observation, park_counts=tuple(self.parks.rows()), losses=losses)

    def forget(self, image: Image) -> None:
        """Forgets an image that has ended."""
        self.sites.forget(image)
        if self.parks:
            self.parks.forget(image)

    def forget_files(self, numbers: set[int]) -> None:
        """Forgets the levels of all files but these."""
        self._stepper.forget(numbers)
