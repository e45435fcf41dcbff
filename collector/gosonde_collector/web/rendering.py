"""Pages from templates. Whatever a template shows is foreign, and comes out as text alone."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from gosonde_common import __version__, foreign
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gosonde_collector.web.gate import Visitor

TEMPLATES: Final = Path(__file__).parent / "templates"
SECOND_NS: Final = 1_000_000_000
#: From how many seconds on an age is given in these, and what it is divided by.
UNITS: Final = ((172_800, 86_400, "d"), (7_200, 3_600, "h"), (120, 60, "min"), (0, 1, "s"))


class Pages:
    """Any thread may use it."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_text,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            age=age, duration=duration, moment=moment, number=number, rate=rate, scaled=scaled
        )
        self._templates.globals.update(version=__version__)

    def html(self, name: str, visitor: Visitor | None, **values: Any) -> str:  # noqa: ANN401 - whatever it shows
        """The page of a template; `visitor` is None for whoever has not signed in."""
        return self._templates.get_template(name).render(visitor=visitor, **values)

    def message(self, status: int, title: str, text: str, visitor: Visitor | None = None) -> Response:
        """A page that says one thing."""
        return HTMLResponse(self.html("message.html", visitor, title=title, text=text), status)


def as_json(document: object, status: int = 200) -> Response:
    """The document, in which what a terminal would not show is escaped."""
    return Response(foreign.dumps(document, indent=1) + "\n", status, media_type="application/json")


def wants_json(request: Request) -> bool:
    """Whether a program asks."""
    return request.query_params.get("format") == "json"


def json_address(path: str, filters: Any) -> str:  # noqa: ANN401 - a dataclass of text, which has no type of its own
    """Where the same is given as JSON."""
    return filtered_address(path, filters, format="json")


def filtered_address(path: str, filters: Any, **others: str) -> str:  # noqa: ANN401 - as above
    """Of a page with these filters, and what else stands in its query."""
    chosen = {name: value for name, value in asdict(filters).items() if value}
    return f"{path}?{urlencode({**chosen, **others})}"


def age(unix_nano: int) -> str:
    """How long ago that was, such as "3 min"."""
    return duration(max(time.time_ns() - unix_nano, 0))


def duration(nanoseconds: int) -> str:
    """Such as "3 min"."""
    seconds = nanoseconds // SECOND_NS
    return next(f"{seconds // divisor:,} {unit}" for least, divisor, unit in UNITS if seconds >= least)


def moment(unix_nano: int) -> str:
    """As in "2026-11-29 12:00:00 UTC"."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_nano // SECOND_NS))
    except (OverflowError, ValueError, OSError):
        return "unknown"


def number(value: float) -> str:
    """With separators of thousands."""
    return f"{value:,}"


def rate(per_second: float) -> str:
    """With its sign."""
    return f"{per_second:+,.2f}"


def scaled(value: float | None, divisor: int, digits: int, unit: str = "") -> str | None:
    """Divided, with so many digits after the point; None stays what it is."""
    return None if value is None else f"{value / divisor:,.{digits}f}{unit}"


def _text(value: object) -> object:
    return value if isinstance(value, Markup) else foreign.shown(value)
