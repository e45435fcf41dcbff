"""The page of one process."""

from dataclasses import replace
from typing import Any, Final

from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import NotFoundError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.store.protocol import Store
from gosonde_collector.web import (
    asking,
    cost_line,
    pause_map,
    process_rows,
    process_view,
    snapshot_list,
    sparklines,
    timer_section,
)
from gosonde_collector.web.asking import Asked, Asking
from gosonde_collector.web.findings_list import MOST_ROWS
from gosonde_collector.web.gate import Gate, Visitor
from gosonde_collector.web.kept import Kept, KeptAnswers
from gosonde_collector.web.process_changes import ProcessChanges
from gosonde_collector.web.process_view import ProcessView
from gosonde_collector.web.rendering import Pages, as_json, wants_json
from gosonde_collector.web.snapshot_forms import KINDS
from gosonde_collector.web.snapshot_list import MOST_ON_PROCESS

#: For how long it is kept what a page is made of, in seconds, and of how many processes.
VIEW_S: Final = 2.0
#: Sites that one sees without asking for more: lines of hundreds take a browser long to draw.
SHOWN_AT_ONCE: Final = 100
#: Each has a few megabytes when its process has thousands of sites.
MOST_VIEWS: Final = 8


class ProcessPage:
    """The store is asked and pages are made in the worker's thread."""

    def __init__(
        self,
        worker: Worker,
        store: Store,
        analyst: Analyst,
        asked: Asking,
        pages: Pages,
        *,
        changes: ProcessChanges,
        gate: Gate,
    ) -> None:
        self._worker = worker
        self._store = store
        self._analyst = analyst
        self._asking = asked
        self._pages = pages
        self._gate = gate
        self._views: Kept[ProcessView] = Kept(VIEW_S, MOST_VIEWS)
        self._changes = changes
        self._kept = KeptAnswers()

    async def page(self, request: Request) -> Response:
        """The process of a host and a pid, the newest or that of the query `key`; of the site `site` alone if given.

        Raises:
            UnauthenticatedError: Nobody who is known asks.
            NotFoundError: There is no such process or site.
        """
        visitor = self._gate.visitor(request)
        which, key = process_rows.asked_for(request)
        site = request.query_params.get("site", "")
        html = self._site if site else self._html
        make = self._json if wants_json(request) else lambda known: html(known, visitor)

        def made() -> Response:
            return make(self._view(which, key, site))

        if not self._changes.watched.watchers:
            return await self._worker.run(made)
        name = which, key, site, wants_json(request), visitor, self._changes.newest
        return await self._worker.run(self._kept.of, name, made)

    def _view(self, which: ProcessFilter, key: str, site: str) -> ProcessView:
        known = self._views.of(
            (which, key, self._changes.newest),
            lambda: process_view.view(self._store, self._analyst, which, key, steady_unix_nano()),
        )
        if not site:
            return known
        chosen = [one for one in known.sites if str(one.site.pc) == site]
        if not chosen:
            raise NotFoundError("this process has no such site")
        return replace(known, sites=chosen)

    def _site(self, known: ProcessView, visitor: Visitor) -> Response:
        (one,) = known.sites
        values = {
            "row": known.row,
            "past": known.past,
            "one": one,
            "drawn": sparklines.path(one.line),
            "width": sparklines.width(len(one.line)),
        }
        return HTMLResponse(self._pages.html("site.html", visitor, **values))

    def _asked(self, known: ProcessView) -> tuple[Asked, ...]:
        return self._asking.of(known.row.known.host, known.row.known.process.key)

    def _json(self, known: ProcessView) -> Response:
        document: dict[str, Any] = process_view.document(known)
        timers = timer_section.document(timer_section.section(self._store, known.row, known.past))
        return as_json({**document, "timers": timers, "asked": list(map(asking.document, self._asked(known)))})

    def _html(self, known: ProcessView, visitor: Visitor) -> Response:
        values = {
            "row": known.row,
            "past": known.past,
            "sites": known.sites[:MOST_ROWS],
            "at_once": SHOWN_AT_ONCE,
            "drawn": [sparklines.path(site.line) for site in known.sites[:MOST_ROWS]],
            "left_out": max(len(known.sites) - MOST_ROWS, 0),
            "findings": known.findings[:MOST_ROWS],
            "cycles": known.cycles,
            "costs": cost_line.costs(known.past),
            "pauses": pause_map.pause_map(known.past),
            "heap": pause_map.heap_lines(known.past),
            "snapshots": snapshot_list.listed(self._store, known.row, MOST_ON_PROCESS, steady_unix_nano()),
            "timers": timer_section.section(self._store, known.row, known.past),
            "mutes": self._analyst.mutes,
            "asked": self._asked(known),
            "kinds": KINDS,
        }
        return HTMLResponse(self._pages.html("process.html", visitor, **values))
