"""What receivers should know is what the analysis found, without what is over and what people muted."""

from dataclasses import replace
from typing import Any

import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding, TimersFound
from gosonde_collector.model.values import Site
from gosonde_collector.outward.alerts.alert import MOST_TEXT, Alert
from gosonde_collector.outward.sending import wanted
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Mute, TimersName
from gosonde_common.clock import steady_unix_nano
from gosonde_common.values.containers import Container

from tests.hostile_text import HOSTILE
from tests.unit.collector.web.conftest import finding


def alert_of(store: Store, found: Finding, public_url: str = "") -> Alert:
    store.save_findings([found.record(1)])
    return wanted(Analyst(store), public_url).alerts[found.id]


@pytest.mark.parametrize(("state", "severity"), [("opened", "info"), ("growing", "warning"), ("stable", "info")])
def test_a_state_has_a_severity(store: Store, state: str, severity: str) -> None:
    assert alert_of(store, finding(state=state)).severity == severity


def test_an_alert_says_where_it_is_and_what_is_known(store: Store) -> None:
    pod = Container(namespace="shop", pod="web-0", name="server", workload="web")
    alert = alert_of(store, finding(container=pod), "https://gosonde.example/")
    assert alert.all_labels == {
        "alertname": "GoGoroutinesLeak",
        "finding": "0000000000000001",
        "host": "web-1",
        "service": "shop",
        "function": "main.leak",
        "namespace": "shop",
        "pod": "web-0",
        "container": "server",
        "workload": "web",
        "severity": "warning",
    }
    said = dict(alert.annotations)
    assert said.pop("analysed").endswith("Z")
    assert said == {
        "summary": "main.leak in shop on web-1: 100 live goroutines, +1.00 per second",
        "description": "Cancel it.",
        "state": "growing",
        "pid": "7",
        "exe": "/srv/shop",
        "location": "main.go:12",
        "cause": "select",
        "live": "100",
        "growth_per_second": "1",
        "confidence": "0.80",
    }
    assert alert.url == "https://gosonde.example/findings/0000000000000001"


def test_pending_timers_are_alerts_of_another_name(store: Store) -> None:
    timers = TimersFound(TimersName("after-func", "main.tick", repeats=False), 100)
    alert = alert_of(store, finding(timers=timers, growth_per_second=0))
    assert alert.labels["alertname"] == "GoTimersPending"
    assert alert.annotations["summary"] == "main.leak in shop on web-1: 100 pending timers"


def test_what_is_over_or_muted_is_no_alert_and_why_is_known(store: Store) -> None:
    states = ("growing", "growing", "resolved", "withdrawn")
    store.save_findings([finding(number, state=state).record(1) for number, state in enumerate(states, 1)])
    analyst = Analyst(store)
    analyst.mutes.add(Mute("0000000000000001", "", "", "known", "ann", 0, steady_unix_nano() + 10**12))
    found = wanted(analyst, "")
    assert [int(key) for key in found.alerts] == [2]
    assert {int(key): why for key, why in found.others.items()} == {1: "muted", 3: "resolved", 4: "withdrawn"}


def test_hostile_names_are_shown_as_text_on_one_line(store: Store) -> None:
    text = 100 * HOSTILE
    site = Site("build", 1, text, text, 12, text)
    hostile: dict[str, Any] = {"site": site, "exe": f"/srv/{text}", "host": text, "cause": text}
    alert = alert_of(store, replace(finding(), **hostile))
    for said in (*alert.all_labels.values(), *alert.annotations.values()):
        assert said.isprintable()
        assert 0 < len(said) <= 10 * MOST_TEXT
    assert Alert.from_document(alert.document()) == alert
