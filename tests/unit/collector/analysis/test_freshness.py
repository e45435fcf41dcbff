"""The analysis comes back soon, however much it had to do, and findings say how old they are."""

import asyncio
import json
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from gosonde.collector_client import CollectorClient
from gosonde.explanations import Listing
from gosonde_cli import cli
from gosonde_collector import routine, service
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.freshness import Freshness
from gosonde_collector.config import CollectorConfig
from gosonde_collector.model.worker import Worker
from gosonde_collector.snapshots.policy import SnapshotAsker
from gosonde_collector.snapshots.requests import SnapshotRequests
from gosonde_collector.store.duckdb import open_store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.finding_metrics import FindingMetrics
from gosonde_collector.telemetry.own_acts import OwnActs
from prometheus_client import CollectorRegistry, generate_latest
from typer.testing import CliRunner

STALL_S = 360
SECOND = 1_000_000_000


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def now_ns(self) -> int:
        return int(self.seconds * SECOND)


def rest_after(seconds: float, folder: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """How long the routine sleeps after a round that took so much CPU time."""
    clock, slept = Clock(), []

    class Laborious(Analyst):
        def run(self) -> None:
            clock.seconds += seconds

    async def sleep(rest: float) -> None:
        slept.append(rest)
        raise asyncio.CancelledError

    monkeypatch.setattr(routine, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(routine, "time", SimpleNamespace(thread_time=clock.now))
    with closing(open_store(folder / "data")) as store, closing(Worker("analysing")) as worker:
        telemetry = Telemetry()
        asker = SnapshotAsker(SnapshotRequests(store, worker, telemetry, OwnActs(store)), telemetry)
        work = routine.Routine(
            CollectorConfig(data=folder), store, worker, Laborious(store), telemetry, asker=asker, expiring=worker
        )
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(work.analyse())
    return slept[0]


def test_the_analysis_rests_for_a_minute_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rest_after(STALL_S, tmp_path, monkeypatch) == 60


def test_the_analysis_leaves_the_cpu_to_others_for_most_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rest_after(3, tmp_path, monkeypatch) == 15


def test_findings_are_stale_when_no_analysis_ends_for_long_beyond_its_rest() -> None:
    clock = Clock()
    fresh = Freshness(clock.now_ns)
    fresh.rest_seconds = 60
    clock.seconds = 240
    assert not fresh.reason()
    clock.seconds = 241
    assert fresh.reason() == "findings are stale: no analysis has ended for 241 s; the log may say why"
    fresh.renew()
    assert (fresh.age_ns(), fresh.reason()) == (0, "")


def test_an_analysis_that_has_ended_makes_the_findings_new(tmp_path: Path) -> None:
    clock = Clock()
    with closing(open_store(tmp_path / "data")) as store:
        analyst = Analyst(store)
        analyst.freshness = Freshness(clock.now_ns)
        assert service.unready(store, analyst) == []
        clock.seconds = STALL_S
        assert service.unready(store, analyst) == [analyst.freshness.reason()]
        registry = CollectorRegistry()
        registry.register(FindingMetrics(store, analyst, Telemetry()))
        assert b"gosonde_analysis_age_seconds 360.0" in generate_latest(registry)
        analyst.run()
        assert service.unready(store, analyst) == []
        assert b"gosonde_analysis_age_seconds 0.0" in generate_latest(registry)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_whoever_asks_for_findings_hears_that_they_are_stale_also_when_there_is_none(
    flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CollectorClient, "processes", lambda _: [])
    monkeypatch.setattr(CollectorClient, "listing", lambda *_: Listing((), STALL_S * SECOND, is_stale=True))
    said = CliRunner().invoke(cli.app("findings"), ["findings", "--wide", *flags])
    stale = "stale: the last analysis ended 6 min 0 s ago; findings do not show what happened since"
    if flags:
        assert stale in said.stderr.splitlines()
        assert json.loads(said.stdout) == []
    else:
        assert stale in said.stdout.splitlines()
        assert said.stdout.endswith("The last analysis ended 6 min 0 s ago.\n")
