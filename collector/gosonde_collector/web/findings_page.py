"""The list of findings, which renews itself."""

from typing import Final

from gosonde_common.clock import steady_unix_nano
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.telemetry.newest import Newest
from gosonde_collector.web import documents, findings_list
from gosonde_collector.web.changes import Changes
from gosonde_collector.web.findings_list import MOST_ROWS, MUTED, STATES, Filters
from gosonde_collector.web.gate import Gate, Visitor
from gosonde_collector.web.rendering import Pages, as_json, filtered_address, json_address, wants_json

#: Pages that are kept until something changes.
MOST_KEPT: Final = 64


class FindingsPage:
    """Findings are read and pages made in the worker's thread."""

    def __init__(self, worker: Worker, analyst: Analyst, newest: Newest, pages: Pages, gate: Gate) -> None:
        self._worker = worker
        self._analyst = analyst
        self._newest = newest
        self._pages = pages
        self._gate = gate
        self.watched = Changes(lambda: worker.run(self._content))
        self._kept: dict[tuple[Filters, Visitor], str] = {}
        self._kept_of = -1, -1

    async def page(self, request: Request) -> Response:
        """The list.

        Raises:
            UnauthenticatedError: Nobody who is known asks.
        """
        visitor = self._gate.visitor(request)
        filters = Filters.of(request.query_params)
        if wants_json(request):
            return await self._worker.run(self._document, filters)
        return HTMLResponse(await self._worker.run(self._html, filters, visitor))

    async def changes(self, request: Request) -> Response:
        """See `Changes.answer`."""
        return self.watched.answer(self._gate, request)

    def _html(self, filters: Filters, visitor: Visitor) -> str:
        newest = self.watched.number, self._analyst.mutes.number
        if self._kept_of != newest or len(self._kept) > MOST_KEPT:
            self._kept_of = newest
            self._kept = {}
        if (filters, visitor) not in self._kept:
            self._kept[filters, visitor] = self._made(filters, visitor)
        return self._kept[filters, visitor]

    def _made(self, filters: Filters, visitor: Visitor) -> str:
        rows, muted = findings_list.rows(self._analyst, self._newest, filters, steady_unix_nano())
        hosts, services = findings_list.names(self._analyst)
        return self._pages.html(
            "findings.html",
            visitor,
            rows=rows[:MOST_ROWS],
            left_out=len(rows) - len(rows[:MOST_ROWS]),
            muted_left_out=muted,
            muted_address=filtered_address("/findings", filters, state=MUTED),
            filters=filters,
            states=STATES,
            hosts=hosts,
            services=services,
            json_address=json_address("/findings", filters),
            stale=self._analyst.freshness.reason(),
        )

    def _document(self, filters: Filters) -> Response:
        rows, muted = findings_list.rows(self._analyst, self._newest, filters, steady_unix_nano())
        freshness = self._analyst.freshness
        return as_json(
            {
                "findings": list(map(documents.finding, rows)),
                "muted_left_out": muted,
                "analysis_age_ns": freshness.age_ns(),
                "analysis_is_stale": freshness.is_stale(),
            }
        )

    def _content(self) -> object:
        """What somebody who looks at the list wants to see when it changes."""
        now, mutes = steady_unix_nano(), self._analyst.mutes
        return self._analyst.freshness.is_stale(), [
            (
                *(found.id, found.state, found.live, found.growth_per_second, found.cause, found.confidence),
                self._newest.age_of(found.host, now)[1],
                mutes.of(found),
            )
            for found in self._analyst.findings(ProcessFilter())
        ]
