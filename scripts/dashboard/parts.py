"""Panels as this dashboard has them, and the queries in them."""

from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, DynamicConfigValue
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

#: The Prometheus that whoever looks has chosen.
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
#: A panel's height, and the width of all, in cells of the grid.
HEIGHT, WIDTH = 8, 24
#: The page of a finding.
FINDING_PAGE: Final = "${web:raw}/findings/"
#: Properties of a line with an axis of its own.
ON_THE_RIGHT: Final = [
    DynamicConfigValue(id_val="custom.axisPlacement", value="right"),
    DynamicConfigValue(id_val="unit", value="short"),
]


def query(expression: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """A query over the time that is shown."""
    return prometheus.Dataquery().expr(expression).legend_format(legend or "__auto").range().ref_id(ref)


def rows(expression: str, ref: str = "A") -> prometheus.Dataquery:
    """A query whose newest answer is rows of a table."""
    return prometheus.Dataquery().expr(expression).instant().format(PromQueryFormat.TABLE).ref_id(ref)


def number(title: str, said: str, expression: str, unit: str = "short") -> stat.Panel:
    """One number, with its course behind it."""
    panel = stat.Panel().title(title).description(said).datasource(SOURCE).unit(unit).height(4).span(4)
    return panel.graph_mode(BigValueGraphMode.AREA).with_target(query(expression))


def chart(
    title: str, said: str, *queries: prometheus.Dataquery, unit: str = "short", width: int = WIDTH // 2
) -> timeseries.Panel:
    """Lines over time."""
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    panel = timeseries.Panel().title(title).description(said).datasource(SOURCE).unit(unit)
    panel = panel.height(HEIGHT).span(width).fill_opacity(10).legend(legend.placement(LegendPlacement.BOTTOM))
    for one in queries:
        panel = panel.with_target(one)
    return panel


def stacked(panel: timeseries.Panel) -> timeseries.Panel:
    """The chart, with lines on top of one another."""
    return panel.fill_opacity(40).stacking(common.StackingConfig().mode(StackingMode.NORMAL))


def leading_to_findings(panel: timeseries.Panel, ref: str = "A") -> timeseries.Panel:
    """The chart; a click on a line of a query leads to the page of the finding that its label `finding` names."""
    return panel.override_by_query(ref, [link_to_finding("${__field.labels.finding}")])


def link_to_finding(finding: str) -> DynamicConfigValue:
    """A field's property: a link to the page of the finding that a variable names."""
    link = {"title": "Open the finding", "url": f"{FINDING_PAGE}{finding}", "targetBlank": True}
    return DynamicConfigValue(id_val="links", value=[link])


def listing(title: str, said: str, *queries: prometheus.Dataquery, width: int = WIDTH) -> table.Panel:
    """Rows, of which one may choose some by their columns."""
    panel = table.Panel().title(title).description(said).datasource(SOURCE).height(HEIGHT).span(width).filterable(True)
    for one in queries:
        panel = panel.with_target(one)
    return panel


def map_of(title: str, said: str, buckets: str, unit: str) -> heatmap.Panel:
    """Buckets of a histogram over time, darker where there is more."""
    color = heatmap.HeatmapColorOptions().scheme("Oranges").steps(64).exponent(0.5)
    panel = heatmap.Panel().title(title).description(said).datasource(SOURCE).height(HEIGHT).span(WIDTH // 2)
    panel = panel.calculate(False).color(color).y_axis(heatmap.YAxisConfig().unit(unit)).show_legend()
    return panel.with_target(query(buckets, "{{le}}").format(PromQueryFormat.HEATMAP))


def link(title: str, url: str) -> dashboard.DashboardLink:
    """A link that opens elsewhere."""
    return dashboard.DashboardLink(title).url(url).target_blank(True)
