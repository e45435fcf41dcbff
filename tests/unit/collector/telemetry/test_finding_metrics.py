"""What the store or the telemetry cannot say costs a scrape of the collector that group of metrics alone."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.errors import StoreError
from gosonde_collector.store.duckdb import DuckDBStore, open_store
from gosonde_collector.store.records import Mute
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.finding_metrics import FindingMetrics
from gosonde_common.metrics import ShownMetrics
from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.collector.batches import SITE, batch
from tests.unit.collector.web.conftest import finding

GOROUTINES = {
    *("gosonde_goroutines_live", "gosonde_goroutines_created_total", "gosonde_goroutines_exited_total"),
    *(f"gosonde_goroutines_{name}_estimate{end}" for name in ("created", "exited") for end in ("", "_low", "_high")),
}
AGES = {"gosonde_observation_age_seconds", "gosonde_observation_stale"}
#: What is asked, and which families go without its answer.
GROUPS: dict[str, tuple[Callable[[DuckDBStore, Telemetry], object], str, set[str]]] = {
    "sites": (lambda _, telemetry: telemetry.running, "reading", {*GOROUTINES, "gosonde_gc_cycles_total"}),
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
        stored = batch(1, counters=[(0, SITE.pc, 5, 0)])
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
    store.append([batch(1, timers=[(0, "main.expire", 12)])])
    analyst, registry = Analyst(store), CollectorRegistry()
    registry.register(FindingMetrics(store, analyst, Telemetry()))
    assert "main.expire" not in generate_latest(registry).decode()
    analyst.run()
    labels = 'callback="main.expire",exe="/srv/app",host="web-1",kind="func",pid="4711",repeats="no",waits_in=""'
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
