"""What the store or the telemetry cannot say costs a scrape of the collector that group of metrics alone."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.ingest.quotas import QuotaKeeper
from gosonde_collector.model.errors import StoreError
from gosonde_collector.store.duckdb import DuckDBStore, open_store
from gosonde_collector.store.records import Mute
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.finding_metrics import FindingMetrics
from gosonde_common.metrics import ShownMetrics
from gosonde_common.runtime_metrics import COUNTERS, GAUGES
from gosonde_common.values.containers import Container
from gosonde_common.values.runtime import RuntimeFigures
from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.collector.batches import SITE, batch, process
from tests.unit.collector.web.conftest import finding

GOROUTINES = {
    *("gosonde_goroutines_live", "gosonde_goroutines_created_total", "gosonde_goroutines_exited_total"),
    *(f"gosonde_goroutines_{name}_estimate{end}" for name in ("created", "exited") for end in ("", "_low", "_high")),
}
INFO = "gosonde_process_container_info"
RUNTIME = {
    "gosonde_go_memory_used_bytes",
    "gosonde_go_schedule_duration_seconds",
    *GAUGES,
    *(f"{name}_total" for name in COUNTERS),
}
NAMED = Container("a" * 64, "", "shop", "web-0", "server", "web")
AGES = {"gosonde_observation_age_seconds", "gosonde_observation_stale"}
#: What is asked, and which families go without its answer.
GROUPS: dict[str, tuple[Callable[[DuckDBStore, Telemetry], object], str, set[str]]] = {
    "sites": (
        lambda _, telemetry: telemetry.running,
        "reading",
        {*GOROUTINES, "gosonde_gc_cycles_total", INFO, *RUNTIME},
    ),
    "pauses": (lambda _, telemetry: telemetry.pauses, "metric", {"gosonde_gc_pause_seconds"}),
    "offsets": (lambda _, telemetry: telemetry.newest, "offsets", {*AGES, "gosonde_collector_clock_offset_seconds"}),
    "ages": (lambda _, telemetry: telemetry.newest, "ages", AGES),
    "losses": (lambda _, telemetry: telemetry.newest, "losses", {"gosonde_agent_lost_total"}),
    "size": (lambda store, _: store, "size", {"gosonde_collector_store_bytes"}),
    "free": (lambda store, _: store, "free", {"gosonde_collector_disk_free_bytes"}),
}


def families(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE gosonde")}


@pytest.mark.parametrize("fails", GROUPS)
def test_what_cannot_be_said_costs_no_other_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    asked, name, lost = GROUPS[fails]

    def fail(*_: object) -> None:
        raise StoreError("the disk fails")

    with closing(open_store(tmp_path / "data")) as store:
        telemetry = Telemetry()
        stored = batch(1, counters=[(0, SITE.pc, 5, 0)], processes=[process(container=NAMED)])
        store.append([stored])
        telemetry.stored(stored)
        telemetry.registry.register(FindingMetrics(store, Analyst(store), telemetry))
        shown = CollectorRegistry(support_collectors_without_names=True)
        shown.register(ShownMetrics(telemetry.registry))
        sound = families(generate_latest(shown).decode())
        monkeypatch.setattr(asked(store, telemetry), name, fail)
        text = generate_latest(shown).decode()
    assert sound - families(text) == lost
    assert "gosonde_scrape_failures_total 0.0" not in text


def test_pending_timers_are_exported_as_they_were_at_the_last_analysis(store: DuckDBStore) -> None:
    store.append([batch(1, timers=[(0, "main.expire", 12)], processes=[process(container=NAMED)])])
    analyst, registry = Analyst(store), CollectorRegistry()
    registry.register(FindingMetrics(store, analyst, Telemetry()))
    assert "main.expire" not in generate_latest(registry).decode()
    analyst.run()
    named = 'container="server",exe="/srv/app",host="web-1",kind="func",namespace="shop",pid="4711",pod="web-0"'
    labels = f'callback="main.expire",{named},repeats="no",waits_in=""'
    assert f"gosonde_pending_timers{{{labels}}} 12.0" in generate_latest(registry).decode()


def test_muted_findings_are_counted_besides(store: DuckDBStore) -> None:
    store.save_findings([finding(number).record(1) for number in (1, 2)])
    store.save_mutes([Mute(finding(1).id, "", "", "known", "", 1, 1 << 62)])
    registry = CollectorRegistry()
    registry.register(FindingMetrics(store, Analyst(store), Telemetry()))
    text = generate_latest(registry).decode()
    assert 'gosonde_findings{state="growing"} 2.0' in text
    assert 'gosonde_findings_muted{state="growing"} 1.0' in text
    assert 'gosonde_findings_muted{state="stable"} 0.0' in text


def test_what_a_runtime_says_of_itself_is_exported_as_it_said_it_last(store: DuckDBStore) -> None:
    telemetry = Telemetry()
    registry = CollectorRegistry()
    registry.register(FindingMetrics(store, Analyst(store), telemetry))
    keeper = QuotaKeeper(telemetry.running, telemetry)
    keeper.limited(batch(1, runtimes=[RuntimeFigures(9, goroutines=6)]))
    keeper.limited(batch(2, runtimes=[RuntimeFigures(9, goroutines=7, gogc_percent=50)]))
    keeper.limited(batch(3))
    text = generate_latest(registry).decode()
    labels = 'container="",exe="/srv/app",host="web-1",namespace="",pid="4711",pod=""'
    assert f"gosonde_go_goroutines{{{labels}}} 7.0" in text
    assert f"gosonde_go_config_gogc_ratio{{{labels}}} 0.5" in text
    assert "gosonde_go_memory_limit_bytes{" not in text


def test_goroutines_and_cycles_have_the_names_of_the_container(store: DuckDBStore) -> None:
    telemetry = Telemetry()
    registry = CollectorRegistry()
    registry.register(FindingMetrics(store, Analyst(store), telemetry))
    unnamed = batch(1, counters=[(0, SITE.pc, 5, 0)], totals=[(0, 3, 0, 0)])
    named = batch(2, counters=[(0, SITE.pc, 6, 0)], totals=[(0, 4, 0, 0)], processes=[process(container=NAMED)])
    keeper = QuotaKeeper(telemetry.running, telemetry)
    told = []
    for one in map(keeper.limited, (unnamed, named)):
        store.append([one])
        telemetry.stored(one)
        told.append(generate_latest(registry).decode())
    labels = 'container="{}",exe="/srv/app",host="web-1",namespace="{}",pid="4711",pod="{}"'
    nowhere, shop = labels.format("", "", ""), labels.format("server", "shop", "web-0")
    assert f"gosonde_gc_cycles_total{{{nowhere}}} 3.0" in told[0]
    assert f"gosonde_gc_cycles_total{{{shop}}} 4.0" in told[1]
    assert nowhere not in told[1]
    assert f'gosonde_process_container_info{{{shop},workload="web"}} 1.0' in told[1]
    assert 'function="main.serve"' in told[1]
