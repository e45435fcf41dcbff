"""What an agent estimates of its sites, through a real collector: stored, shown with its error, and never a counter."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gosonde.collector_client import SiteRow
from gosonde_pb.v1 import model_pb2

from tests.agent_process import free_port
from tests.collector_process import (
    GOSONDE,
    PATIENCE_S,
    SECOND,
    AgentStream,
    CollectorProcess,
    eventually,
    metric,
    observation,
)

#: Seconds that are fed, and what each site creates in one: certain, and beyond that estimated.
SECONDS = 50
LEAKS, CHURNS = 42, 7
CERTAIN = {LEAKS: 5, CHURNS: 2}
ESTIMATED = {LEAKS: 30_000, CHURNS: 60_000}
#: What the runtime counts beyond the sites.
NAMELESS = 100_000
LABELS = {
    "host": "web-1",
    "pid": "4711",
    "exe": "/srv/app",
    **dict.fromkeys(("namespace", "pod", "container"), ""),
}


def sampled(second: int, now: int) -> model_pb2.Observation:
    """A process after so many seconds: one site leaks five a second among 30,000, the other one churns."""
    counts = [(LEAKS, 5 * second, 0), (CHURNS, 2 * second, 2 * second), (0, NAMELESS * second, NAMELESS * second)]
    seen = observation(counts, taken_unix_nano=now - (SECONDS - second) * SECOND)
    process = seen.processes[0]
    process.level, process.imprecise = model_pb2.LEVEL_SAMPLED, True
    process.started_unix_nano = process.counted_since_unix_nano = now - SECONDS * SECOND
    seen.site_names.function[2] = seen.site_names.file[2] = ""
    seen.site_names.line[2] = 0
    for pc, each in ESTIMATED.items():
        add_estimate(seen.site_estimates, pc, each * second)
    return seen


def add_estimate(estimates: model_pb2.SiteEstimates, pc: int, number: int, low: float = 0.9, high: float = 1.1) -> None:
    estimates.process.append(0)
    estimates.pc.append(pc)
    for what in ("created", "exited"):
        getattr(estimates, what).append(number)
        getattr(estimates, f"{what}_low").append(round(low * number))
        getattr(estimates, f"{what}_high").append(round(high * number))
    estimates.windows.append(40)
    estimates.sampled_ns.append(40 * 20_000_000)


@pytest.fixture(scope="module")
def http() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("collector")


@pytest.fixture(scope="module")
def collector(folder: Path, http: str) -> Iterator[CollectorProcess]:
    """Knows one process at level sampled; three estimates that it was sent were wrong."""
    with CollectorProcess(folder, "--http", http) as running:
        now = time.time_ns()
        with AgentStream(running.address) as agent:
            for second in range(1, SECONDS + 1):
                seen = sampled(second, now)
                if second == SECONDS:
                    add_estimate(seen.site_estimates, LEAKS, 100, low=1.5)
                    add_estimate(seen.site_estimates, 0, 100)
                    add_estimate(seen.site_estimates, 4_242, 100)
                assert agent.observe(second, seen) == second
        with running.client() as client:
            assert eventually(client, "opened", live=5 * SECONDS)
        yield running


def ask(collector: CollectorProcess, *arguments: str) -> str:
    done = subprocess.run(
        [GOSONDE, *arguments, "--collector", collector.address],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return done.stdout


def site_rows(collector: CollectorProcess) -> dict[int, dict[str, Any]]:
    """Rows of `sites --json` by the line of the statement, which is 0 for the row without one."""
    rows = json.loads(ask(collector, "sites", "--json"))
    return {row["line"]: row for row in rows}


def test_json_has_what_is_estimated_with_its_bounds_beside_what_is_certain(collector: CollectorProcess) -> None:
    rows = site_rows(collector)
    leaks, total = rows[LEAKS], 30_000 * SECONDS
    assert (leaks["created"], leaks["exited"], leaks["live"]) == (5 * SECONDS, 0, 5 * SECONDS)
    bounds = [total, round(0.9 * total), round(1.1 * total)]
    assert leaks["estimated"] == dict(
        zip(
            ("created", "created_low", "created_high", "exited", "exited_low", "exited_high", "windows", "sampled_ns"),
            (*bounds, *bounds, 40, 800_000_000),
            strict=True,
        )
    )
    assert "shared" not in leaks
    assert "estimated" not in rows[0]
    assert rows[0]["shared"] == {"created": 90_000 * SECONDS, "exited": 90_000 * SECONDS}


def test_rates_are_of_all_that_was_created_with_bounds_where_it_is_estimated(collector: CollectorProcess) -> None:
    rows = site_rows(collector)
    for line, number in ((LEAKS, 30_005 * SECONDS), (0, 10_000 * SECONDS)):
        rate = rows[line]["per_second"]
        assert rate["created"] * rate["over_ns"] / 1e9 == pytest.approx(number)
        assert 0 <= rate["created_low"] < rate["created"] < rate["created_high"]
    rate = rows[LEAKS]["per_second"]
    assert rate["created"] - rate["exited"] == pytest.approx(rows[LEAKS]["live"] / (rate["over_ns"] / 1e9))


def test_the_table_marks_what_is_estimated_and_adds_up_to_the_exact_total(collector: CollectorProcess) -> None:
    lines = ask(collector, "sites", "--wide").splitlines()
    assert lines[-1].startswith("~ estimated:")
    cells = [[row[0], *row[5:7]] for row in map(str.split, lines[1:4])]
    assert cells == [
        ["250", "~1,500,250", "~1,500,000"],
        ["0", "~3,000,100", "~3,000,100"],
        ["0", "~500,000", "~500,000"],
    ]
    totals = json.loads(ask(collector, "processes", "--json"))[0]
    for column, key in ((1, "created"), (2, "exited")):
        assert sum(int(re.sub(r"\D", "", row[column])) for row in cells) == totals[key]


def test_a_sampled_process_is_named_so_and_its_totals_are_not_marked(collector: CollectorProcess) -> None:
    (process,) = json.loads(ask(collector, "processes", "--json"))
    assert (process["level"], process["precise"], process["live"]) == ("sampled", False, 250)
    text = ask(collector, "processes")
    assert " sampled " in text
    assert "~" not in text


def test_an_estimate_that_is_wrong_costs_itself_and_is_counted(collector: CollectorProcess, http: str) -> None:
    assert set(site_rows(collector)) == {LEAKS, CHURNS, 0}
    assert metric(http, "gosonde_collector_left_out_total", {"table": "site_estimates"}) == 2
    assert metric(http, "gosonde_collector_beyond_quota_total", {"what": "estimates"}) == 1


def test_metrics_have_estimates_of_their_own_and_counters_without_them(collector: CollectorProcess, http: str) -> None:
    assert collector.process.poll() is None
    labels = {**LABELS, "function": f"main.site_{LEAKS}", "location": f"main.go:{LEAKS}"}
    assert metric(http, "gosonde_goroutines_created_total", labels) == 5 * SECONDS
    total = 30_000 * SECONDS
    for what in ("created", "exited"):
        for end, value in (("", total), ("_low", 0.9 * total), ("_high", 1.1 * total)):
            assert metric(http, f"gosonde_goroutines_{what}_estimate{end}", labels) == pytest.approx(value)


def test_a_finding_rests_on_the_live_count_and_says_how_sure_the_turnover_is(collector: CollectorProcess) -> None:
    with collector.client() as client:
        (finding,) = client.findings()
    assert (finding.site.line, finding.live) == (LEAKS, 250)
    assert finding.growth_per_second == pytest.approx(5, rel=0.1)
    assert finding.pattern == "some exit"
    amount = r"~\d+ \(\d+ to \d+\)"
    recent = rf"in the last \d+ s {amount} created and {amount} exited: at least \d+ more live"
    assert re.match(recent, finding.details["events"])
    assert re.search(
        rf"since counting began ~1500250 \(1350250 to 1650250\) created and {amount} exited", finding.details["events"]
    )


def test_a_backup_and_a_restart_keep_what_was_estimated(collector: CollectorProcess, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    ask(collector, "backup", str(tmp_path / "data" / "gosonde.duckdb"))
    before = stored(collector)
    assert [row.estimated is None for row in before] == [False, False, True]
    with CollectorProcess(tmp_path) as restored:
        assert stored(restored) == before
        assert restored.stop(signal.SIGTERM) == 0
    with CollectorProcess(tmp_path) as again:
        assert stored(again) == before


def stored(collector: CollectorProcess) -> list[SiteRow]:
    with collector.client() as client:
        return client.sites()
