"""Processes of one file that ended before an observation reported them, as one row."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from gosonde_agent.accounting.processes import GoProcess
from gosonde_agent.accounting.short_lived import ShortLived
from gosonde_agent.accounting.site_names import SiteNames
from gosonde_agent.sources.counters import Image, Origin, SiteTotal, WorldTotal
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.observation import Observation, Process, ProcessKey

PC, OTHER_PC, OUTSIDE_PC = 0x1000, 0x1010, 0x9000
BIAS = 0x55_0000_0000


class Binary:
    """Counts how often it is asked for a name."""

    build_id = "build"

    def __init__(self) -> None:
        self.points = {"created": SimpleNamespace(vaddr=0x500)}
        self.asked = 0

    def has_code(self, pc: int) -> bool:
        return pc < OUTSIDE_PC - 1

    def start_function(self, _pc: int) -> str:
        return "main.work"

    def go_statement(self, pc: int) -> Any:
        self.asked += 1
        return SimpleNamespace(function=f"main.at_{pc:x}", file="main.go", line=1)


class Origins:
    """Every process was loaded at its own place."""

    def origin(self, image: Image, _pc: int) -> Origin:
        bias = image.tgid * BIAS
        return Origin(0x2000 + bias, 0x500 + bias, 1)


def ended(pid: int, binary: Binary) -> GoProcess:
    key = ProcessKey("boot", pid, 7, pid)
    described = Process(
        key, "/srv/job", "go1.27", "build", pid, pid, counted_from_start=True, ended_unix_nano=100 + pid
    )
    return GoProcess(Image(pid, pid, 3), cast("Any", binary), described)


def totals(pid: int, *counts: tuple[int, int, int]) -> list[SiteTotal]:
    return [SiteTotal(pc + pid * BIAS, created, exited) for pc, created, exited in counts]


def test_processes_loaded_anywhere_are_summed_by_go_statement_and_named_once() -> None:
    binary, sums = Binary(), ShortLived(cast("Any", Origins()), SiteNames())
    for pid in range(1, 101):
        sums.add(ended(pid, binary), totals(pid, (PC, 5, 4), (OTHER_PC, 1, 1)), WorldTotal(1, 2, 30))
    observation = sums.added_to(Observation(1))
    (process,) = observation.processes
    assert (process.sums, process.key.pid, process.started_unix_nano, process.ended_unix_nano) == (100, 1, 1, 200)
    rows = {row.site.function: (row.created, row.exited) for row in observation.site_counts}
    assert rows == {"main.at_1000": (500, 400), "main.at_1010": (100, 100)}
    (total,) = observation.gc_totals
    assert (total.cycles, total.pauses, total.gc_pause_ns) == (100, 200, 3_000)
    assert binary.asked == 2


def test_what_is_counted_where_no_code_is_costs_no_other_site_its_count() -> None:
    binary, sums = Binary(), ShortLived(cast("Any", Origins()), SiteNames())
    sums.add(ended(1, binary), totals(1, (OUTSIDE_PC, 7, 7), (PC, 5, 4)), None)
    observation = sums.added_to(Observation(1, losses={"sites_outside": 2}))
    assert {(row.site.pc, row.created) for row in observation.site_counts} == {(0, 7), (PC, 5)}
    assert observation.losses["sites_outside"] == 3


def test_a_process_that_cannot_be_summed_leaves_the_others_as_they_are() -> None:
    binary, sums = Binary(), ShortLived(cast("Any", Origins()), SiteNames())
    sums.add(ended(1, cast("Any", SimpleNamespace(build_id="build"))), totals(1, (PC, 5, 4)), None)
    sums.add(ended(2, binary), totals(2, (PC, 5, 4)), None)
    observation = sums.added_to(Observation(1))
    assert observation.losses["observations_failed"] == 1
    assert [row.created for row in observation.site_counts] == [5]
    assert observation.processes[0].sums == 2


def test_the_sums_of_a_file_go_with_its_probes() -> None:
    sums = ShortLived(cast("Any", Origins()), SiteNames())
    sums.add(ended(1, Binary()), [], None)
    sums.keep({3})
    assert sums.added_to(Observation(1)).processes
    sums.keep(set())
    assert not sums.added_to(Observation(1)).processes


def test_a_sum_has_the_container_that_all_its_processes_ran_in() -> None:
    shop, other = Container("a" * 64, "", "shop"), Container("b" * 64)
    binary, sums = Binary(), ShortLived(cast("Any", Origins()), SiteNames())

    def add(pid: int, container: Container) -> None:
        process = ended(pid, binary)
        process.description = replace(process.description, container=container)
        sums.add(process, totals(pid, (PC, 1, 1)), None)

    for pid in (1, 2):
        add(pid, shop)
    assert sums.added_to(Observation(1)).processes[0].container == shop
    add(3, other)
    add(4, other)
    assert sums.added_to(Observation(1)).processes[0].container == NO_CONTAINER
