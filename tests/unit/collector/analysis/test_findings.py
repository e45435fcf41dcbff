"""A finding opens, grows, rests and ends with its site, and says what every witness says."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.evidence.model import (
    LEAK,
    Frame,
    GoroutineGroup,
    GoroutineProfile,
)
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import DuckDBStore, open_store
from gosonde_common.values.containers import NO_CONTAINER, Container

from tests.unit.collector.batches import KEY, SECOND, SITE, START, batch, process

HERE = Frame(SITE.function, SITE.file, SITE.line)


def feed(store: DuckDBStore, first: int, counts: Sequence[tuple[int, int]]) -> None:
    """One batch a second with (created, exited) of SITE."""
    store.append([batch(first + n, counters=[(0, SITE.pc, *count)]) for n, count in enumerate(counts)])


def leak(store: DuckDBStore, seconds: int, per_second: int = 20, first: int = 1) -> None:
    feed(store, first, [(per_second * n, 0) for n in range(first, first + seconds)])


def found(analyst: Analyst) -> list[Finding]:
    analyst.run()
    return analyst.findings(ProcessFilter())


def verdict(finding: Finding, name: str) -> tuple[str, str]:
    (witness,) = [witness for witness in finding.witnesses if witness.name == name]
    return witness.verdict, witness.detail


def test_a_leak_opens_a_finding_with_its_site_and_numbers(store: DuckDBStore) -> None:
    leak(store, 50, per_second=6)
    (finding,) = found(Analyst(store))
    assert (finding.state, finding.cause, finding.live) == ("opened", "unknown", 300)
    assert (finding.host, finding.process, finding.exe, finding.site) == ("web-1", KEY, "/srv/app", SITE)
    assert finding.growth_per_second == pytest.approx(6, rel=0.1)
    assert finding.first_seen_unix_nano == START
    assert finding.confidence == pytest.approx(0.35)
    assert "too early to know whether they stay" in verdict(finding, "events")[1]
    assert [witness.name for witness in finding.witnesses] == ["events", "memory", "pprof", "proof", "gctrace"]
    assert verdict(finding, "events")[0] == "agrees"
    assert "300 created and 0 exited" in verdict(finding, "events")[1]


def test_a_finding_keeps_its_id_and_grows_surer(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, 50)
    (early,) = found(analyst)
    leak(store, 120, first=51)
    (late,) = found(analyst)
    assert (late.id, late.first_seen_unix_nano) == (early.id, early.first_seen_unix_nano)
    assert (late.state, late.live) == ("growing", 3_400)
    assert late.confidence > early.confidence


def test_findings_outlive_the_collector(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    leak(store, 50)
    (before,) = found(Analyst(store))
    store.close()
    store = open_store(tmp_path)
    assert Analyst(store).findings(ProcessFilter()) == [before]
    leak(store, 60, first=51)
    (after,) = found(Analyst(store))
    assert (after.id, after.state) == (before.id, "growing")
    store.close()


def test_a_leak_that_stops_is_stable_and_less_sure(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, 90)
    (growing,) = found(analyst)
    store.append([batch(n) for n in range(91, 400)])
    (stable,) = found(analyst)
    assert (stable.state, stable.growth_per_second, stable.live) == ("stable", 0.0, 1_800)
    assert stable.confidence < growing.confidence
    assert verdict(stable, "events")[0] == "disagrees"


def test_a_finding_whose_goroutines_end_is_resolved_and_may_open_again(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, 50)
    assert found(analyst)
    feed(store, 51, [(1_000, 900)])
    (resolved,) = found(analyst)
    assert resolved.state == "resolved"
    feed(store, 52, [(1_000 + 40 * n, 900) for n in range(60)])
    (again,) = found(analyst)
    assert (again.id, again.state) == (resolved.id, "opened")


def test_a_finding_of_a_process_that_ended_is_resolved(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, 50)
    assert found(analyst)
    store.append([batch(51, processes=[process(ended_unix_nano=START + 51 * SECOND)])])
    (finding,) = found(analyst)
    assert (finding.state, finding.growth_per_second, finding.live) == ("resolved", 0.0, 0)
    analyst.forget(START + 60 * SECOND)
    assert found(analyst) == []


def test_a_finding_goes_on_when_the_process_is_started_again_and_leaks_again(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, 70)
    (before,) = found(analyst)
    store.append([batch(71, processes=[process(ended_unix_nano=START + 71 * SECOND)])])
    (over,) = found(analyst)
    assert (over.state, over.ended) == ("resolved", True)
    began = START + 80 * SECOND
    again = process(replace(KEY, pid=99), started_unix_nano=began, counted_since_unix_nano=began)
    later = [batch(80 + n, counters=[(0, SITE.pc, 20 * n, 0)], processes=[again]) for n in range(1, 51)]
    store.append(later)
    (after,) = found(Analyst(store))
    assert (after.id, after.process.pid, after.restarts, after.state) == (before.id, 99, 1, "growing")
    assert (after.first_seen_unix_nano, after.live) == (before.first_seen_unix_nano, 1_000)


def test_two_processes_that_run_at_the_same_time_have_a_finding_each(store: DuckDBStore) -> None:
    both = [process(), process(replace(KEY, pid=99))]
    rows = [(n, [(0, SITE.pc, 20 * n, 0), (1, SITE.pc, 30 * n, 0)]) for n in range(1, 51)]
    store.append([batch(n, counters=counters, processes=both) for n, counters in rows])
    findings = found(Analyst(store))
    assert len({finding.id for finding in findings}) == 2
    assert {finding.restarts for finding in findings} == {0}


def test_a_finding_says_how_its_count_goes(store: DuckDBStore) -> None:
    analyst = Analyst(store)
    leak(store, 90)
    assert found(analyst)[0].pattern == "steady"
    store.append([batch(n) for n in range(91, 400)])
    assert found(analyst)[0].pattern == "plateau"
    feed(store, 400, [(1_900, 1_900)])
    assert (found(analyst)[0].pattern, found(analyst)[0].state) == ("burst", "resolved")


def test_findings_are_chosen_by_host_and_pid_and_the_fastest_come_first(store: DuckDBStore) -> None:
    other = replace(SITE, pc=0x2000)
    store.append([batch(n, counters=[(0, SITE.pc, 20 * n, 0), (0, other.pc, 90 * n, 0)]) for n in range(1, 51)])
    analyst = Analyst(store)
    assert [finding.site.pc for finding in found(analyst)] == [other.pc, SITE.pc]
    assert len(analyst.findings(ProcessFilter("web-1", KEY.pid))) == 2
    assert analyst.findings(ProcessFilter("web-2")) == []
    assert analyst.findings(ProcessFilter("", 1)) == []


Push = Callable[..., tuple[str, str]]


@pytest.fixture
def push(store: DuckDBStore) -> Push:
    """Leaks 400 goroutines, pushes a snapshot taken at their time, and gives the pprof witness's verdict."""

    def run(*groups: GoroutineGroup, kind: str = "debug=2", taken_s: int = 50, **changes: Any) -> tuple[str, str]:
        store.append(
            [batch(n, counters=[(0, SITE.pc, 8 * n, 0)], processes=[process(**changes)]) for n in range(1, 51)]
        )
        store.add_snapshot("web-1", KEY, START + taken_s * SECOND, GoroutineProfile(kind, groups))
        (finding,) = found(Analyst(store))
        return verdict(finding, "pprof")

    return run


def test_a_snapshot_that_shows_the_goroutines_at_their_statement_agrees(push: Push) -> None:
    said, detail = push(GoroutineGroup(398, (Frame("main.serve.func1", "main.go", 50),), HERE, "chan receive"))
    assert said == "agrees"
    assert "398 goroutines created by main.serve at main.go:42" in detail


def test_a_snapshot_without_the_goroutines_disagrees(push: Push) -> None:
    said, detail = push(GoroutineGroup(3, (Frame("main.serve.func1", "main.go", 50),), HERE, "chan receive"))
    assert said == "disagrees"
    assert "shows 3 goroutines" in detail


def test_a_snapshot_with_more_than_were_made_disagrees_unless_counting_began_late(push: Push) -> None:
    assert push(GoroutineGroup(900, (), HERE))[0] == "disagrees"


def test_goroutines_older_than_the_counting_do_not_contradict(push: Push) -> None:
    assert push(GoroutineGroup(900, (), HERE), counted_from_start=False)[0] == "agrees"


def test_an_old_snapshot_is_compared_with_the_count_of_its_time(push: Push) -> None:
    assert push(GoroutineGroup(200, (), HERE), taken_s=25)[0] == "agrees"


def test_a_snapshot_from_before_the_counting_is_silent(push: Push) -> None:
    said, detail = push(GoroutineGroup(400, (), HERE), taken_s=-700)
    assert said == "silent"
    assert "too old" in detail


def test_without_a_creation_site_the_start_function_is_matched(push: Push) -> None:
    said, detail = push(
        GoroutineGroup(400, (Frame("x.wait", "x.go", 1), Frame("main.serve.func1", "main.go", 50))), kind="proto"
    )
    assert said == "agrees"
    assert "starting in main.serve.func1" in detail


def test_goroutines_that_may_have_been_started_through_a_wrapper_leave_it_open(push: Push) -> None:
    said, detail = push(GoroutineGroup(400, (Frame("main.work", "main.go", 50),)), kind="debug=1")
    assert said == "silent"
    assert "shows 0 to 400 goroutines" in detail


def test_too_few_goroutines_of_any_start_disagree(push: Push) -> None:
    assert push(GoroutineGroup(30, (Frame("main.work", "main.go", 50),)), kind="proto")[0] == "disagrees"


def test_agreement_makes_surer_and_contradiction_less_sure(store: DuckDBStore) -> None:
    leak(store, 50, per_second=8)
    analyst = Analyst(store)
    (alone,) = found(analyst)
    store.add_snapshot("web-1", KEY, START + 50 * SECOND, GoroutineProfile("debug=2", (GoroutineGroup(400, (), HERE),)))
    (supported,) = found(analyst)
    store.add_snapshot("web-1", KEY, START + 50 * SECOND + 1, GoroutineProfile("debug=2", (GoroutineGroup(1, ()),)))
    (contradicted,) = found(analyst)
    assert contradicted.confidence < alone.confidence < supported.confidence < 1


START_OF_SITE = Frame("main.serve.func1", "main.go", 50)


def leaked(goroutines: int, function: Frame = START_OF_SITE) -> GoroutineProfile:
    return GoroutineProfile("proto", (GoroutineGroup(goroutines, (function,)),), kind=LEAK)


def test_the_runtimes_own_proof_makes_surer_than_any_count(store: DuckDBStore) -> None:
    leak(store, 50, per_second=8)
    analyst = Analyst(store)
    store.add_snapshot("web-1", KEY, START + 50 * SECOND, GoroutineProfile("debug=2", (GoroutineGroup(400, (), HERE),)))
    (counted,) = found(analyst)
    store.add_snapshot("web-1", KEY, START + 50 * SECOND, leaked(12))
    (proved,) = found(analyst)
    said, detail = verdict(proved, "pprof")
    assert said == "agrees"
    assert "that 12 goroutines starting in main.serve.func1 wait for ever" in detail
    assert proved.confidence > counted.confidence


def test_a_leak_profile_that_does_not_name_the_site_proves_nothing(store: DuckDBStore) -> None:
    leak(store, 50, per_second=8)
    analyst = Analyst(store)
    (alone,) = found(analyst)
    store.add_snapshot("web-1", KEY, START + 50 * SECOND, leaked(12, Frame("main.other", "main.go", 7)))
    (same,) = found(analyst)
    assert (verdict(same, "pprof")[0], same.confidence) == ("silent", alone.confidence)


def test_goroutines_that_debug_2_marks_as_leaked_are_the_runtimes_proof_too(store: DuckDBStore) -> None:
    leak(store, 50, per_second=8)
    groups = (GoroutineGroup(7, (), HERE, "chan receive (leaked)"), GoroutineGroup(2, (), HERE, "chan receive"))
    store.add_snapshot("web-1", KEY, START + 50 * SECOND, GoroutineProfile("debug=2", groups))
    (finding,) = found(Analyst(store))
    assert "that 7 goroutines created by main.serve" in verdict(finding, "pprof")[1]
    assert finding.cause == "channel-receive"


def test_a_finding_is_of_the_container_of_its_process_and_is_chosen_by_its_names(store: DuckDBStore) -> None:
    shop = Container("a" * 64, "", "shop", "web-0", "server", "web")
    processes = [process(container=shop)]
    store.append([batch(n, counters=[(0, SITE.pc, 6 * n, 0)], processes=processes) for n in range(1, 51)])
    analyst = Analyst(store)
    (finding,) = found(analyst)
    assert finding.container == shop
    assert analyst.findings(ProcessFilter(container=Container(namespace="shop", pod="web-0"))) == [finding]
    assert analyst.findings(ProcessFilter(container=Container(namespace="batch"))) == []


def test_a_finding_that_rests_learns_the_names_too(store: DuckDBStore) -> None:
    leak(store, 50)
    analyst = Analyst(store)
    assert found(analyst)[0].container == NO_CONTAINER
    shop = Container("a" * 64, "", "shop", "web-0")
    rests = [process(container=shop)]
    store.append([batch(n, counters=[(0, SITE.pc, 1_000, 0)], processes=rests) for n in range(51, 121)])
    (finding,) = found(analyst)
    assert (finding.state, finding.container) == ("stable", shop)
