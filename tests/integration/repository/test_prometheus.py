"""The alerts do what they say, and they speak of metrics that gosonde really serves."""

import re
import subprocess
from pathlib import Path

from gosonde_agent.model.spool_state import SpoolState
from gosonde_agent.serve.latest import Latest
from gosonde_agent.serve.telemetry import AgentMetrics
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.ingest.quotas import QuotaKeeper
from gosonde_collector.model.values import Batch
from gosonde_collector.store.duckdb import open_store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.finding_metrics import FindingMetrics
from gosonde_common.gc_metrics import (
    MAX_PROCESSES,
    PauseHistograms,
    cycles_metric,
)
from gosonde_common.owners import Owner
from gosonde_common.values.observation import (
    GcTotal,
    Observation,
    Pause,
    Process,
    ProcessKey,
    Site,
    SiteCount,
)
from gosonde_common.values.status import AgentStatus, UplinkStatus
from prometheus_client import generate_latest

from tests import real_binaries
from tests.paths import ROOT
from tests.unit.collector.batches import KEY as STORED_KEY
from tests.unit.collector.batches import SECOND, SITE, START, STREAM, batch, process

RULES = ROOT / "deploy" / "prometheus"
KEY = ProcessKey("boot", 7, 70, 1)
PROCESS = Process(KEY, "/srv/app", "go1.27.3", "build", 1, 1, counted_from_start=True)


def promtool(*arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    tool = real_binaries.prometheus().with_name("promtool")
    return subprocess.run([tool, *arguments], cwd=RULES, input=text, capture_output=True, check=False)


def test_the_rules_alert_when_they_should_and_only_then() -> None:
    done = promtool("test", "rules", "gosonde.rules.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def site(number: int, live: int) -> SiteCount:
    return SiteCount(KEY, Site("build", number, f"main.f{number}", "main.go", number, ""), live + 5, 5)


#: Metrics that an agent cannot serve.
OF_THE_COLLECTOR = {"gosonde_findings", "gosonde_findings_muted", "gosonde_collector_clock_offset_seconds"}


def stopped(sequence: int) -> Batch:
    """What one batch brings: a site, two pauses of the GC, one of something else, one cycle, and a loss."""
    pauses = [
        (0, 0, START, 30_000, "GC sweep termination"),
        (0, 1, START, 12_000_000, "GC mark termination"),
        (0, 2, START, 99_000_000, "read mem stats"),
    ]
    counters, totals = [(0, SITE.pc, 10, 2)], [(0, 1, 3, 12_030_000)]
    losses = {"events_full": 5, "sites_full": 0}
    return batch(sequence, counters=counters, pauses=pauses, totals=totals, losses=losses)


def status() -> AgentStatus:
    return AgentStatus("agent", "0", "host", 1, UplinkStatus())


def agent_metrics(sites: int = 2) -> str:
    latest = Latest()
    metrics = AgentMetrics(latest, status, lambda: SpoolState(0), {}, lambda: None)
    pauses = (
        Pause(KEY, 0, 1, 12_000_000, "GC mark termination"),
        Pause(KEY, 1, 2, 30_000, "GC sweep termination"),
        Pause(KEY, 2, 3, 99_000_000, "read mem stats"),
    )
    counts = tuple(site(number, 100 - number) for number in range(1, sites + 1))
    totals = (GcTotal(KEY, 3, 3, 12_030_000),)
    latest.update(Observation(1, processes=(PROCESS,), site_counts=counts, pauses=pauses, gc_totals=totals))
    latest.update(Observation(2, processes=(PROCESS,), site_counts=counts, gc_totals=totals))
    return generate_latest(metrics.registry()).decode()


def collector_metrics(folder: Path, *batches: Batch) -> str:
    store, telemetry = open_store(folder), Telemetry()
    telemetry.registry.register(FindingMetrics(store, Analyst(store), telemetry))
    keeper = QuotaKeeper(telemetry.running, telemetry)
    for stored in map(keeper.limited, batches):
        store.append([stored])
        telemetry.stored(stored)
    text = generate_latest(telemetry.registry).decode()
    store.close()
    return text


def test_every_metric_that_a_rule_names_is_served(tmp_path: Path) -> None:
    named = set(re.findall(r"\bgosonde_\w+", (RULES / "gosonde.rules.yml").read_text()))
    assert len(named) >= 4
    collector = collector_metrics(tmp_path, stopped(1))
    assert {name for name in named if f"\n{name}{{" not in f"\n{collector}"} == set()
    assert {name for name in named if f"\n{name}{{" not in f"\n{agent_metrics()}"} <= OF_THE_COLLECTOR


def test_prometheus_finds_no_fault_with_the_metrics(tmp_path: Path) -> None:
    for served in (agent_metrics(), collector_metrics(tmp_path)):
        done = promtool("check", "metrics", text=served.encode())
        assert done.returncode == 0, done.stdout + done.stderr


def bucket(bound: str, phase: str, count: float, host: str = "", pid: int = 7) -> str:
    labels = f'container="",exe="/srv/app",host="{host}",le="{bound}",namespace="",phase="{phase}",pid="{pid}",pod=""'
    return f"gosonde_gc_pause_seconds_bucket{{{labels}}} {count:.1f}"


def test_pauses_are_counted_once_by_phase_and_only_those_of_the_gc() -> None:
    lines = agent_metrics().splitlines()
    assert bucket("0.01", "mark_termination", 0) in lines
    assert bucket("0.015", "mark_termination", 1) in lines
    assert bucket("0.0001", "sweep_termination", 1) in lines
    assert {line.rpartition(" ")[2] for line in lines if line.startswith("gosonde_gc_pause_seconds_count")} == {"1.0"}
    for bound in ("0.005", "0.01", "0.02", "0.05", "0.1"):
        assert any(f'le="{bound}"' in line for line in lines)


def test_the_top_sites_have_names_and_the_rest_is_summed() -> None:
    live = [line for line in agent_metrics(sites=300).splitlines() if line.startswith("gosonde_goroutines_live{")]
    assert len(live) == 11
    assert any('function="main.f1"' in line and line.endswith(" 99.0") for line in live)
    (others,) = [line for line in live if 'function="(others)"' in line]
    assert float(others.rpartition(" ")[2]) == sum(100 - number for number in range(11, 301))


def test_what_is_summed_over_other_sites_is_no_counter_for_it_can_fall() -> None:
    lines = agent_metrics(sites=300).splitlines()
    for name in ("gosonde_goroutines_created_total", "gosonde_goroutines_exited_total"):
        named = [line for line in lines if line.startswith(f"{name}{{")]
        assert len(named) == 10
        assert not [line for line in named if "(others)" in line]


def test_the_collector_counts_pauses_once_by_host_process_and_phase(tmp_path: Path) -> None:
    lines = collector_metrics(tmp_path, stopped(1), stopped(2)).splitlines()
    host, pid = STREAM.host, STORED_KEY.pid
    assert bucket("0.01", "mark_termination", 0, host, pid) in lines
    assert bucket("0.015", "mark_termination", 1, host, pid) in lines
    assert bucket("0.0001", "sweep_termination", 1, host, pid) in lines
    assert sum(line.startswith("gosonde_gc_pause_seconds_count") for line in lines) == 2
    assert (
        f'gosonde_gc_cycles_total{{container="",exe="/srv/app",host="{host}",namespace="",pid="{pid}",pod=""}} 1.0'
        in lines
    )


def test_a_process_that_ended_has_no_metrics_any_more(tmp_path: Path) -> None:
    ended = process(ended_unix_nano=START + SECOND)
    lines = collector_metrics(tmp_path, stopped(1), batch(2, processes=[ended])).splitlines()
    about = ("gosonde_gc_pause_seconds_bucket{", "gosonde_gc_cycles_total{", "gosonde_goroutines_live{")
    assert [line for line in lines if line.startswith(about)] == []


def test_the_collector_says_what_each_host_lost(tmp_path: Path) -> None:
    lines = collector_metrics(tmp_path, stopped(1), stopped(2)).splitlines()
    assert f'gosonde_agent_lost_total{{counter="events_full",host="{STREAM.host}"}} 5.0' in lines
    assert f'gosonde_agent_lost_total{{counter="sites_full",host="{STREAM.host}"}} 0.0' in lines


def test_processes_beyond_a_bound_share_a_histogram_and_have_no_counter() -> None:
    histograms = PauseHistograms(max_processes=2)
    for pid in range(5):
        histograms.observe(Owner("web-1", str(pid), "/srv/app"), "GC mark termination", 1_000)
    samples = [s for s in histograms.metric().samples if s.name.endswith("_count")]
    assert {sample.labels["pid"]: sample.value for sample in samples} == {"0": 1, "1": 1, "(others)": 3}
    totals = [(Owner("web-1", str(pid), "/srv/app"), 10) for pid in range(MAX_PROCESSES + 7)]
    cycles = cycles_metric(totals).samples
    assert [sample.value for sample in cycles] == [10] * MAX_PROCESSES
