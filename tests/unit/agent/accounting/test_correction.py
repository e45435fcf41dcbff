"""Totals go on over changes of level: nothing is reported that did not happen, and a quiet moment makes all exact."""

from dataclasses import dataclass, field, replace

from gosonde_agent.accounting.baseline import Baseline, Reading, SiteBaseline
from gosonde_agent.accounting.correction import UNCOUNTED
from gosonde_agent.accounting.processes import GoProcess
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.sources.counters import Image, SiteTotal
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import Process, ProcessKey
from hypothesis import given
from hypothesis import strategies as st

SITES = (0x1000, 0x2000, 0x3000)
DESCRIPTION = Process(ProcessKey("boot", 1, 1, 0), "/srv/app", "go1.27", "build", 1, 1, counted_from_start=True)
#: (site, created, exited), the latter bounded by what lives.
WORK = st.tuples(st.sampled_from(SITES), st.integers(0, 50), st.integers(0, 50))


@dataclass
class World:
    """A process, what its runtime knows, and what its probes have seen."""

    process: GoProcess
    created: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SITES, 0))
    exited: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SITES, 0))
    seen_created: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SITES, 0))
    seen_exited: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SITES, 0))

    def work(self, site: int, created: int, exited: int) -> None:
        exited = min(exited, self.created[site] + created - self.exited[site])
        self.created[site] += created
        self.exited[site] += exited
        if self.process.level not in UNCOUNTED:
            self.seen_created[site] += created
        if self.process.level is Level.FULL:
            self.seen_exited[site] += exited

    def totals(self) -> list[SiteTotal]:
        return [SiteTotal(site, self.seen_created[site], self.seen_exited[site]) for site in SITES]

    def counts(self) -> dict[int, tuple[int, int]]:
        return {total.pc: (total.created, total.exited) for total in self.totals()}

    def step(self, level: Level) -> None:
        process = self.process
        process.freeze(self.totals())
        process.baseline = Baseline(known=False, signed=True)
        process.description = replace(process.description, level=level)

    def read(self, during: list[tuple[int, int, int]]) -> None:
        """A reading in whose middle something happens."""
        before = self.counts()
        parts = (len(during) + 2) // 3
        for work in during[:parts]:
            self.work(*work)
        created_by_runtime = sum(self.created.values())
        for work in during[parts : 2 * parts]:
            self.work(*work)
        live = {site: self.created[site] - self.exited[site] for site in SITES}
        for work in during[2 * parts :]:
            self.work(*work)
        reading = Reading(before, live, self.counts(), created_by_runtime, sum(self.created.values()))
        self.process.take([reading])

    def told_totals(self) -> tuple[int, int, int]:
        """(created, exited, live) of all that is reported."""
        reported = self.process.reported(self.totals()).values()
        unattributed = self.process.correction.unattributed if self.process.correction else 0
        created, exited = sum(row.created for row in reported), sum(row.exited for row in reported)
        return created + unattributed, exited + unattributed, sum(row.live for row in reported)


def world() -> World:
    binary: GoBinary = None  # type: ignore[assignment]  # nothing here asks for names
    process = GoProcess(Image(1, 0, 1), binary, DESCRIPTION, bias=0, creation_offset=(0, 0))
    return World(process)


STEPS = st.lists(
    st.tuples(st.sampled_from(list(Level)), st.lists(WORK, max_size=4), st.lists(WORK, max_size=4)), max_size=8
)


@given(st.lists(WORK, max_size=4), STEPS)
def test_totals_are_exact_after_a_quiet_reading_whatever_the_steps(
    first: list[tuple[int, int, int]], steps: list[tuple[Level, list[tuple[int, int, int]], list[tuple[int, int, int]]]]
) -> None:
    it = world()
    for work in first:
        it.work(*work)
    for level, works, during in steps:
        it.step(level)
        for work in works:
            it.work(*work)
        it.read(during)
        created, exited, _live = it.told_totals()
        assert created <= sum(it.created.values())
        assert exited <= sum(it.exited.values())
        it.read([])
        truth = sum(it.created.values()), sum(it.exited.values())
        assert it.told_totals() == (*truth, truth[0] - truth[1])
        for site, reported in it.process.reported(it.totals()).items():
            assert reported.live == it.created[site] - it.exited[site]
            assert reported.created <= it.created[site]
            assert reported.exited <= it.exited[site]
            assert reported.baseline == 0


@given(st.lists(st.tuples(st.sampled_from([Level.FULL, Level.CREATION]), st.lists(WORK, max_size=4)), max_size=8))
def test_every_site_is_exact_when_creations_were_always_probed(
    steps: list[tuple[Level, list[tuple[int, int, int]]]],
) -> None:
    it = world()
    for level, works in steps:
        it.step(level)
        for work in works:
            it.work(*work)
        it.read([])
        reported = it.process.reported(it.totals())
        for site in SITES:
            row = reported.get(site)
            assert (row.created, row.exited) == (it.created[site], it.exited[site]) if row else not it.created[site]
    assert it.process.correction is None or not it.process.correction.creations_missed


@given(st.lists(WORK, max_size=4), st.lists(WORK, max_size=4), STEPS)
def test_what_lived_before_counting_began_is_no_creation_whatever_the_steps(
    before: list[tuple[int, int, int]],
    first: list[tuple[int, int, int]],
    steps: list[tuple[Level, list[tuple[int, int, int]], list[tuple[int, int, int]]]],
) -> None:
    it = world()
    it.process.description = replace(DESCRIPTION, level=Level.OFF)
    for work in before:
        it.work(*work)
    earlier = sum(it.created.values())
    it.process.creation_offset, it.process.baseline = None, Baseline(known=False)
    it.process.description = DESCRIPTION
    for work in first:
        it.work(*work)
    known = None
    for level, works, during in steps:
        it.step(level)
        for work in works:
            it.work(*work)
        it.read(during)
        it.read([])
        it.read([])
        created, exited, live = it.told_totals()
        truth = sum(it.created.values()), sum(it.exited.values())
        assert live == truth[0] - truth[1]
        assert created <= truth[0] - earlier
        assert exited <= truth[1]
        known = known or (created - truth[0], exited - truth[1])
        assert (created - truth[0], exited - truth[1]) == known, "all is counted once memory was read at rest"
        assert not it.process.precise


@given(
    st.lists(WORK, max_size=4),
    st.lists(
        st.tuples(st.booleans(), st.sampled_from(list(Level)), st.lists(WORK, max_size=4), st.lists(WORK, max_size=4)),
        max_size=8,
    ),
)
def test_what_happens_between_the_last_reading_and_a_step_is_found_by_later_readings(
    before: list[tuple[int, int, int]],
    steps: list[tuple[bool, Level, list[tuple[int, int, int]], list[tuple[int, int, int]]]],
) -> None:
    """Memory is never quiet before the end, and what lived before counting began is known as an interval at first."""
    it = world()
    it.process.description = replace(DESCRIPTION, level=Level.OFF)
    for work in before:
        it.work(*work)
    earlier, gone = sum(it.created.values()), sum(it.exited.values())
    it.process.creation_offset, it.process.baseline = None, Baseline(known=False)
    it.process.description = DESCRIPTION
    for has_stepped, level, works, during in steps:
        if has_stepped:
            it.step(level)
        for work in works:
            it.work(*work)
        it.read(during)
        if it.process.correction is not None:
            created, exited, live = it.told_totals()
            truth = sum(it.created.values()), sum(it.exited.values())
            assert created <= truth[0] - earlier
            assert exited <= truth[1] - gone
            if it.process.precise:
                assert (created, exited, live) == (truth[0] - earlier, truth[1] - gone, truth[0] - truth[1])
    it.read([])
    it.read([])
    assert it.told_totals()[2] == sum(it.created.values()) - sum(it.exited.values())
    for site, reported in it.process.reported(it.totals()).items():
        assert reported.live == it.created[site] - it.exited[site]


def test_what_a_busy_reading_after_a_step_left_open_is_settled_by_the_next() -> None:
    site = SITES[0]
    it = world()
    it.work(site, 1000, 900)
    it.step(Level.CREATION)
    it.read([])
    it.work(site, 0, 50)
    it.step(Level.FULL)
    it.read([(site, 20, 0), (site, 0, 20)])
    assert not it.process.precise
    it.read([])
    assert it.process.reported(it.totals())[site] == (1020, 970, 0)
    assert it.process.precise


def test_creations_that_a_busy_reading_left_open_are_not_told_as_exits() -> None:
    site = SITES[0]
    it = world()
    it.step(Level.MEMORY)
    it.work(site, 100, 0)
    it.step(Level.FULL)
    it.read([(site, 20, 0), (site, 0, 0), (site, 0, 20)])
    it.read([])
    assert it.process.reported(it.totals())[site] == (120, 20, 0)
    assert it.told_totals() == (120, 20, 100)


def test_what_lived_before_is_no_exit_where_it_was_not_known_for_certain() -> None:
    site = SITES[0]
    it = world()
    it.process.baseline = Baseline(known=True, sites={site: SiteBaseline(100, 900, middle_sum=1000, readings=1)})
    it.created[site] = 100
    it.step(Level.CREATION)
    it.read([])
    assert it.process.reported(it.totals())[site] == (0, 0, 100)
    it.work(site, 0, 50)
    it.step(Level.FULL)
    it.read([])
    assert it.process.reported(it.totals())[site] == (0, 50, 100)
    assert not it.process.precise


def went_on_without_memory(at_first: tuple[int, int], below_full: tuple[int, int]) -> World:
    """At the first site so many were created and exited at level full and then at creation; it is at full again."""
    it = world()
    it.work(SITES[0], *at_first)
    it.step(Level.CREATION)
    it.work(SITES[0], *below_full)
    it.step(Level.FULL)
    it.process.go_on()
    return it


def test_without_memory_totals_go_on_from_what_was_told_at_the_step_up() -> None:
    site = SITES[0]
    it = went_on_without_memory((100, 40), below_full=(1000, 1000))
    it.work(site, 5, 2)
    assert it.process.reported(it.totals())[site] == (105, 42, 0)
    assert not it.process.precise
    it.read([])  # it can be read after all: 63 live
    assert it.process.reported(it.totals())[site] == (105, 42, 0)
    it.work(site, 0, 3)
    it.read([])
    assert it.process.reported(it.totals())[site] == (105, 45, 0)
    assert not it.process.precise


def test_what_memory_shows_holds_again_after_it_could_not_be_read() -> None:
    site = SITES[0]
    it = went_on_without_memory((100, 0), below_full=(0, 90))
    assert it.process.reported(it.totals())[site].live == 100
    it.read([])
    assert it.process.reported(it.totals())[site] == (100, 90, 0)
    assert it.process.baseline.mismatch(site) == 0


def test_a_process_that_ends_before_memory_was_read_is_told_with_all_that_its_probes_saw() -> None:
    site = SITES[0]
    it = world()
    it.work(site, 100, 40)
    it.step(Level.CREATION)
    it.work(site, 1000, 990)
    assert it.process.reported(it.totals())[site] == (100, 40, 0)
    it.process.description = replace(it.process.description, ended_unix_nano=1)
    assert it.process.reported(it.totals())[site] == (1100, 1040, 0)
    assert not it.process.precise


def test_nothing_is_told_as_precise_that_was_not_seen() -> None:
    it = world()
    assert it.process.precise
    it.step(Level.CREATION)
    assert not it.process.precise
    it.step(Level.FULL)
    it.read([])
    assert it.process.precise
    it.step(Level.MEMORY)
    it.step(Level.FULL)
    it.read([])
    assert not it.process.precise


def test_what_lived_before_an_early_step_fits_into_what_the_runtime_had_room_for() -> None:
    it = world()
    it.process.baseline = Baseline(known=False)
    it.process.creation_offset = None
    it.seen_created[SITES[0]], it.seen_exited[SITES[0]] = 1_000, 1_060
    it.step(Level.MEMORY)
    it.process.take([Reading(it.counts(), {SITES[0]: 50}, it.counts(), most=64)])
    reported = it.process.reported(it.totals())[SITES[0]]
    assert (reported.baseline, reported.live) == (64, 50)
    assert reported.created - reported.exited == 50 - 64
