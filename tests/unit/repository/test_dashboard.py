"""deploy/grafana/gosonde.json is what the script makes, what Grafana's schema knows and what the documentation says."""

import json
import re
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from scripts.dashboard import whole
from tests.grafana_dashboard import FILE, dashboard, queries
from tests.paths import ROOT
from tests.unit.repository.test_docs import section


def known(document: dict[str, Any]) -> dict[str, Any]:
    """What Grafana's models keep of a document: no field that they do not know."""
    register_default_plugins()
    found: dict[str, Any] = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
    return found


def test_the_file_is_what_the_script_makes() -> None:
    assert FILE.read_text() == whole.text(), "run `.venv/bin/python -m scripts.dashboard`"


def test_grafanas_schema_knows_every_field() -> None:
    assert known(dashboard()) == dashboard()


def test_a_field_that_the_schema_does_not_know_would_be_noticed() -> None:
    document = dashboard()
    (panel, *_) = [one for one in document["panels"] if one["type"] == "heatmap"]
    panel["options"]["colour"] = "red"
    assert known(document) != document


def test_panels_lie_beside_one_another_and_have_names_and_numbers_of_their_own() -> None:
    panels = dashboard()["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    for key in ("id", "title"):
        assert len({panel[key] for panel in panels}) == len(panels)


def test_every_panel_says_what_it_shows_and_is_documented() -> None:
    text = section((ROOT / "docs" / "grafana.md").read_text(), "Panels")
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
    assert all(panel["description"] for panel in panels)
    first_cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    assert set(first_cells) == {"panel", *(panel["title"] for panel in panels)}


def test_every_metric_that_a_panel_shows_is_documented() -> None:
    documented = set(re.findall(r"`(gosonde_\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
    named = {name for query in queries() for name in re.findall(r"\bgosonde_\w+", query.expression)}
    assert named
    assert {name.removesuffix("_bucket") for name in named} <= documented
