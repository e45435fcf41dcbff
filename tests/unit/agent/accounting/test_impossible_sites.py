"""What one process makes up costs that process at most."""

from types import SimpleNamespace
from typing import Any, cast

from gosonde_agent.accounting.aggregation import Aggregation
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.accounting.site_names import SiteNames
from gosonde_agent.sources.counters import Counters, Image, SiteTotal
from gosonde_agent.wire.encoding import encode
from gosonde_common.values.observation import Process, ProcessKey

TEXT = range(0x401000, 0x402000)
IMPOSSIBLE = (0, 1, 0x500, 0x7FFF_0000_0000, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


class Binary:
    """Has Go code in TEXT, and one go statement wherever somebody asks."""

    build_id = "build"

    def go_statement(self, pc: int) -> Any:
        return SimpleNamespace(function=f"main.at_{pc:x}", file="main.go", line=1)

    def has_code(self, pc: int) -> bool:
        return pc in TEXT


def process(pid: int, bias: int) -> GoProcess:
    key = ProcessKey("boot", pid, pid, 1)
    described = Process(key, "/srv/app", "go1.27", "build", 1, 1, counted_from_start=True)
    return GoProcess(Image(pid, 1, pid), cast("Any", Binary()), described, bias=bias)


def test_an_address_that_no_program_has_neither_ends_the_observation_nor_hides_another_process() -> None:
    processes = Processes()
    liar, honest = process(1, bias=0x1000), process(2, bias=0)
    processes.add(1, 1, liar)
    processes.add(2, 1, honest)
    aggregation = Aggregation(cast("Any", SimpleNamespace(origin=lambda *_: None)), processes, SiteNames())
    made_up = [SiteTotal(pc, 3, 1) for pc in IMPOSSIBLE]
    sites = {liar.image: made_up, honest.image: [SiteTotal(TEXT[16], 7, 2)]}
    for _ in range(2):
        observation = aggregation.observe(Counters(sites=cast("Any", sites)), {})
        reported = [(row.process.pid, row.site.function, row.created, row.exited) for row in observation.site_counts]
        assert sorted(reported) == [(1, "", 3 * len(IMPOSSIBLE), len(IMPOSSIBLE)), (2, "main.at_401010", 7, 2)]
        assert observation.losses["sites_outside"] == len(IMPOSSIBLE) - 1  # 0 says that it is no go statement
        encode(observation)


def test_a_process_whose_sites_cannot_be_named_leaves_the_others_as_they_are() -> None:
    processes = Processes()
    broken, honest = process(1, bias=0), process(2, bias=0)
    broken.binary = cast("Any", SimpleNamespace(build_id="build", has_code=lambda _: True))
    processes.add(1, 1, broken)
    processes.add(2, 1, honest)
    aggregation = Aggregation(cast("Any", SimpleNamespace(origin=lambda *_: None)), processes, SiteNames())
    sites = {one.image: [SiteTotal(TEXT[16], 7, 2)] for one in (broken, honest)}
    observation = aggregation.observe(Counters(sites=cast("Any", sites)), {})
    assert [(row.process.pid, row.created) for row in observation.site_counts] == [(2, 7)]
    assert observation.losses["observations_failed"] == 1
