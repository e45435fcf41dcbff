"""The Grafana dashboard as its file has it, with Grafana's part done: variables are filled in, queries sent."""

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from tests.paths import ROOT

FILE: Final = ROOT / "deploy" / "grafana" / "gosonde.json"
#: What Grafana says for a scrape interval of a second, and more: on a busy host a scrape may be late.
RATE_INTERVAL: Final = "30s"
SPAN_S: Final = 60
Ask = Callable[..., Any]
Series = dict[str, Any]


class Query(NamedTuple):
    """One of a panel."""

    row: str
    panel: str
    ref: str
    expression: str
    is_instant: bool

    def series(self, ask: Ask, variables: Mapping[str, str]) -> list[Series]:
        """Those of the answer that have a number."""
        expression = filled(self.expression, variables)
        now = time.time()
        if self.is_instant:
            found = ask("query", query=expression)["result"]
        else:
            found = ask("query_range", query=expression, start=now - SPAN_S, end=now, step=5)["result"]
        return [one for one in found if any(map(math.isfinite, numbers(one)))]


def numbers(series: Series) -> list[float]:
    """Of a series, oldest first."""
    return [float(text) for _, text in series.get("values") or [series["value"]]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def queries() -> Iterator[Query]:
    """All, with the row that each stands in."""
    row = ""
    for panel in dashboard()["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        for target in panel.get("targets", ()):
            yield Query(row, panel["title"], target["refId"], target["expr"], target.get("instant", False))


def filled(text: str, variables: Mapping[str, str]) -> str:
    """The text with all variables in it replaced."""
    text = text.replace("$__rate_interval", RATE_INTERVAL)
    for name, value in variables.items():
        text = text.replace(f"${name}", value)
    assert "$" not in text, f"a variable that is not there: {text}"
    return text


def values(ask: Ask, name: str, variables: Mapping[str, str]) -> list[str]:
    """What a variable may be, as its own query has it."""
    (variable,) = [one for one in dashboard()["templating"]["list"] if one["name"] == name]
    asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
    assert asked
    found: list[str] = ask(f"label/{asked[2]}/values", **{"match[]": filled(asked[1], variables)})
    return found
