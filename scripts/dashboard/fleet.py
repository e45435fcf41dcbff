"""Panels of all hosts together: numbers, findings, versions."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, Panel

from scripts.dashboard import parts
from scripts.dashboard.expressions import HOSTS, JOB, PROCESS, SITE, growth, live

#: Columns of the table of findings, in order, and what they are called.
COLUMNS: Final = {
    "finding": "Finding",
    "state": "State",
    "Value #live": "Live",
    "Value #growth": "More per second",
    "function": "Function",
    "location": "Location",
    "cause": "Cause",
    "about": "About",
    "muted": "Muted",
    "host": "Host",
    "pid": "Pid",
    "exe": "Executable",
    "namespace": "Namespace",
    "pod": "Pod",
}
HIDDEN: Final = ("Time", "Value #open", "__name__", "instance", "job", "container")
NOT_MUTED: Final = f'sum(gosonde_findings_muted{{{JOB}, state="growing"}})'


def panels() -> Iterator[Builder[Panel]]:
    """In the order in which they are read."""
    yield from _numbers()
    yield _findings()
    yield parts.stacked(
        parts.chart(
            "Live goroutines by host",
            "All that live, also those that have no series of their own.",
            parts.query(f"sum by (instance, host) ({live(HOSTS)})", "{{host}} {{instance}}"),
        )
    )
    yield parts.stacked(
        parts.chart(
            "Findings by state",
            "Also those that are muted.",
            parts.query(f"sum by (state) (gosonde_findings{{{JOB}}})", "{{state}}"),
        )
    )
    yield _versions()


def _numbers() -> Iterator[Builder[Panel]]:
    processes = f'count(count by ({PROCESS}) (gosonde_goroutines_live{{{HOSTS}, pid!="(others)"}}))'
    growing = f'sum(gosonde_findings{{{JOB}, state="growing"}}) - {NOT_MUTED}'
    yield parts.number("Agents", "Connected to the collector.", f"sum(gosonde_collector_agents{{{JOB}}})")
    yield parts.number("Go processes", "Those that have series of their own.", processes)
    yield parts.number("Goroutines", "That are alive.", f"sum({live(HOSTS)})")
    yield parts.number("Growing findings", "Without those that are muted.", growing)
    age = f"max(gosonde_observation_age_seconds{{{HOSTS}}})"
    yield parts.number("Oldest observation", "Of the host of which nothing was heard for longest.", age, "s")
    age = f"max(gosonde_analysis_age_seconds{{{JOB}}})"
    yield parts.number("Last analysis", "How long ago the collector last judged what grows.", age, "s")


def _findings() -> Builder[Panel]:
    info = f"gosonde_finding_info{{{HOSTS}}}"

    def of_site(what: str) -> str:
        # Summed, for a site may change its series: the names of its container become known late.
        return f"{info} * on ({SITE}) group_left () sum by ({SITE}) ({what})"

    said = "Findings that are not over, up to 500. Live and More per second are known of sites that have series."
    panel = parts.listing(
        "Findings",
        said,
        parts.rows(info, "open"),
        parts.rows(of_site(live(HOSTS)), "live"),
        parts.rows(of_site(growth(HOSTS)), "growth"),
    )
    panel = _organized(panel)
    return panel.override_by_name(COLUMNS["finding"], [parts.link_to_finding("${__value.raw}")])


def _organized(panel: table.Panel) -> table.Panel:
    """Answers of all queries to one finding in one row, and the columns in order."""
    columns = {
        "indexByName": {name: place for place, name in enumerate(COLUMNS)},
        "renameByName": dict(COLUMNS),
        "excludeByName": dict.fromkeys(HIDDEN, True),
    }
    panel = panel.with_transformation(DataTransformerConfig("merge", options={}))
    return panel.with_transformation(DataTransformerConfig("organize", options=columns))


def _versions() -> Builder[Panel]:
    kinds = "count by (service, version, python_version, architecture) (gosonde_build_info)"
    panel = parts.listing("Versions", "How many services of each kind Prometheus scrapes.", parts.rows(kinds))
    hidden = {"excludeByName": {"Time": True}, "renameByName": {"Value": "Services"}}
    return panel.with_transformation(DataTransformerConfig("organize", options=hidden))
