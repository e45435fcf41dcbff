"""Every panel of the Grafana dashboard has data of a real run, and leads from what grows to its finding."""

import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gosonde import CollectorClient
from gosonde_common import __version__

from tests import web_page
from tests.agent_process import AgentProcess, eventually, free_port
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build
from tests.grafana_dashboard import Query, Series, dashboard, numbers, queries, values
from tests.integration.collector.snapshots.test_snapshot_requests import host_of
from tests.integration.repository.test_prometheus import promtool
from tests.real_servers import scraping_prometheus

#: For whatever a machine under load may take long over.
LONG_S = 180.0
#: By which a program that allocates little collects often.
OFTEN = {"GOGC": "1"}
pytestmark = [pytest.mark.usefixtures("ebpf"), pytest.mark.timeout(600)]


@dataclass(frozen=True, slots=True)
class Run:
    """A collector and an agent that watch a program that leaks and one that does not, and who scrapes both.

    Attributes:
        ask: Asks Prometheus: see scraping_prometheus.
        services: HOST:PORT of /metrics by job.
        web: Address of the collector's page.
        leaking: The pid of the program that leaks.
        healthy: The other one, which collects garbage when it is told to.
    """

    ask: Callable[..., Any]
    services: dict[str, str]
    web: str
    host: str
    leaking: int
    healthy: GoProgram

    def variables(self, job: str) -> dict[str, str]:
        """What one chooses who wants to see all of a job."""
        return {"job": job, "host": ".*", "exe": ".*", "pid": ".*"}

    def wait_for(self, asked: Sequence[Query], job: str) -> dict[tuple[str, str], list[Series]]:
        """The answers by panel and name of the query, once all have data."""
        end = time.monotonic() + LONG_S
        while True:
            self.healthy.ask("run 1000")
            self.healthy.ask("gc 2")
            found = {(query.panel, query.ref): query.series(self.ask, self.variables(job)) for query in asked}
            empty = [query for query in asked if not found[query.panel, query.ref]]
            if not empty:
                return found
            assert time.monotonic() < end, f"without data: {empty}"
            time.sleep(0.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("run")
    programs = folder / "programs"
    programs.mkdir()
    leaking, healthy = (Path(shutil.copy(build(name), programs)) for name in ("forgotten", "churn"))
    services = {job: f"127.0.0.1:{free_port()}" for job in ("collector", "agents")}
    web, flags = web_page.configured(folder, f'http = "{services["collector"]}"', "analysis_interval_seconds = 1")
    (folder / "agent.toml").write_text(f'interval_seconds = 1\nhttp = "{services["agents"]}"\n')
    with ExitStack() as stack:
        collector = stack.enter_context(CollectorProcess(folder, *map(str, flags)))
        agent = AgentProcess(folder, collector.address, f"{programs}/*")
        stack.callback(agent.kill)
        leaks = stack.enter_context(GoProgram(leaking, "200", env=OFTEN))
        other = stack.enter_context(GoProgram(healthy))
        ask = stack.enter_context(scraping_prometheus(folder, services))
        client = stack.enter_context(CollectorClient(collector.address))
        host = host_of(client, leaks.pid)
        eventually(lambda: client.prove(host, leaks.pid).outcome.proved > 0, LONG_S)
        yield Run(ask, services, web, host, leaks.pid, other)


def test_every_query_of_every_panel_has_data(run: Run) -> None:
    asked = list(queries())
    assert {query.row for query in asked} >= {"Fleet", "Hosts", "Processes"}
    found = run.wait_for(asked, "collector")
    assert max(max(numbers(one)) for one in found["GC pauses", "A"]) > 0
    (one,) = found["Growth by process", "A"]
    assert one["metric"]["pid"] == str(run.leaking)
    assert numbers(one)[-1] > 0


def test_variables_offer_what_there_is(run: Run) -> None:
    run.wait_for([query for query in queries() if query.row == "Processes"], "collector")
    assert values(run.ask, "job", {}) == ["agents", "collector"]
    of_collector, of_agents = run.variables("collector"), run.variables("agents")
    assert values(run.ask, "host", of_collector) == [run.host]
    assert values(run.ask, "host", of_agents) == []
    for chosen in (of_collector, of_agents):
        assert {Path(exe).name for exe in values(run.ask, "exe", chosen)} == {"forgotten", "churn"}
        assert set(values(run.ask, "pid", chosen)) == {str(run.leaking), str(run.healthy.pid)}


def test_without_a_collector_the_panels_of_processes_have_data_too(run: Run) -> None:
    own = [query for query in queries() if query.row == "Processes" and "finding_info" not in query.expression]
    assert {query.panel for query in own} == {
        *("Live goroutines by go statement", "Goroutines created and exited each second", "Pending timers"),
        *("GC pauses", "GC pauses and cycles"),
    }
    run.wait_for(own, "agents")


def test_what_grows_leads_to_the_page_of_its_finding(run: Run) -> None:
    panel = "Growth by go statement"
    found = run.wait_for([query for query in queries() if query.panel == panel], "collector")
    (one,) = [one for one in found[panel, "A"] if one["metric"]["function"] == "main.leak"]
    (address,) = {link["url"] for link in links(panel)}
    address = address.replace("${web:raw}", run.web).replace("${__field.labels.finding}", one["metric"]["finding"])
    assert "$" not in address
    with urllib.request.urlopen(address, timeout=LONG_S) as page:  # noqa: S310
        assert "main.leak" in page.read().decode()


def links(title: str) -> list[dict[str, Any]]:
    """Those of a panel's lines."""
    (panel,) = [panel for panel in dashboard()["panels"] if panel["title"] == title]
    properties = [one for override in panel["fieldConfig"]["overrides"] for one in override["properties"]]
    return [link for one in properties if one["id"] == "links" for link in one["value"]]


def test_prometheus_finds_no_fault_with_what_both_services_serve(run: Run) -> None:
    for job, address in run.services.items():
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=LONG_S) as answer:
            text = answer.read()
        done = promtool("check", "metrics", text=text)
        assert (done.returncode, done.stdout + done.stderr) == (0, b"")
        assert b"_created " not in text
        assert b"_created{" not in text
        said = f'service="{job.removesuffix("s")}",version="{__version__}"}} 1.0'
        assert re.search(rf"^gosonde_build_info{{.*{re.escape(said)}$".encode(), text, re.MULTILINE)
