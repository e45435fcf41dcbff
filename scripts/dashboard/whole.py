"""The dashboard as a whole: its variables and its rows."""

import json
from typing import Final

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
    TextBoxVariable,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from scripts.dashboard import fleet, hosts, parts, process
from scripts.dashboard.expressions import HOSTS, JOB

#: Where the collector's web page is if nobody says otherwise.
WEB: Final = "http://127.0.0.1:9319"


def text() -> str:
    """The dashboard as Grafana reads it."""
    board = made().build()
    for number, panel in enumerate(board.panels or (), 1):
        panel.id_val = number
    return json.dumps(board, cls=JSONEncoder, indent=1) + "\n"


def made() -> Dashboard:
    """The dashboard."""
    board = Dashboard("gosonde").uid("gosonde").tags(["go", "goroutines", "gosonde"]).readonly()
    board = board.description("Goroutine leaks and GC pauses of Go processes, by go statement.")
    board = board.time("now-1h", "now").refresh("30s")
    for variable in _variables():
        board = board.with_variable(variable)
    board = board.link(parts.link("Web page of the collector", "${web:raw}"))
    rows = {
        "Fleet": fleet.panels(),
        "Hosts": hosts.panels(),
        "Processes": process.panels(),
        "Agents (where Prometheus scrapes them)": hosts.of_agents(),
    }
    for title, panels in rows.items():
        board = board.with_row(Row(title))
        for panel in panels:
            board = board.with_panel(panel)
    return board


def _variables() -> list[DatasourceVariable | QueryVariable | TextBoxVariable]:
    job = _labels("job", "Job", "gosonde_goroutines_live").description("One that scrapes the collector, or agents.")
    # Grafana begins with the first: of jobs with the usual names that is the collector's, which has the findings.
    job = job.sort(VariableSort.ALPHABETICAL_DESC)
    web = TextBoxVariable("web").label("Web page").description("Of the collector.").default_value(WEB)
    return [
        DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
        job,
        _several("host", "Host", f"gosonde_goroutines_live{{{JOB}}}"),
        _several("exe", "Executable", f"gosonde_goroutines_live{{{HOSTS}}}"),
        _several("pid", "Pid", f'gosonde_goroutines_live{{{HOSTS}, exe=~"$exe"}}'),
        web.current(VariableOption(text=WEB, value=WEB)),
    ]


def _labels(name: str, label: str, series: str) -> QueryVariable:
    """A variable whose values are those of the label of its name."""
    variable = QueryVariable(name).label(label).datasource(parts.SOURCE).sort(VariableSort.ALPHABETICAL_ASC)
    return variable.query(f"label_values({series}, {name})").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def _several(name: str, label: str, series: str) -> QueryVariable:
    """The same, of which several may be chosen; all, also series without the label, unless some are."""
    variable = _labels(name, label, series).multi(True).include_all(True).all_value(".*")
    return variable.current(VariableOption(selected=True, text="All", value="$__all"))
