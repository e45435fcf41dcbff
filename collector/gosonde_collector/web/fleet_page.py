"""The fleet: hosts and what runs on them. It renews itself."""

import time
from typing import Final

from gosonde_common.clock import steady_unix_nano
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.newest import Newest
from gosonde_collector.web import process_rows
from gosonde_collector.web.changes import Changes
from gosonde_collector.web.findings_list import MOST_ROWS
from gosonde_collector.web.fleet import Fleet, FleetFilters, document, fleet
from gosonde_collector.web.gate import Gate, Visitor
from gosonde_collector.web.rendering import Pages, as_json, json_address, wants_json

#: How long what was read is shown, however many ask, and how often it is looked whether it has changed, in seconds.
KEPT_S: Final = 2.0
LOOK_S: Final = 5.0


class FleetPage:
    """The store is asked and pages are made in the worker's thread."""

    def __init__(
        self, worker: Worker, store: Store, analyst: Analyst, newest: Newest, pages: Pages, *, gate: Gate
    ) -> None:
        self._worker = worker
        self._store = store
        self._analyst = analyst
        self._newest = newest
        self._pages = pages
        self._gate = gate
        self.watched = Changes(self._look, LOOK_S)
        self._kept = Fleet((), ())
        self._kept_until = 0.0

    async def page(self, request: Request) -> Response:
        """Hosts and processes.

        Raises:
            UnauthenticatedError: Nobody who is known asks.
        """
        visitor = self._gate.visitor(request)
        filters = FleetFilters.of(request.query_params)
        if wants_json(request):
            return await self._worker.run(lambda: as_json(document(filters.chosen(self.known()))))
        return HTMLResponse(await self._worker.run(self._html, filters, visitor))

    def known(self) -> Fleet:
        """All hosts, and the processes that run, as they were a moment ago; in the worker's thread."""
        if time.monotonic() >= self._kept_until:
            now = steady_unix_nano()
            known, ahead = self._store.processes(ProcessFilter()), self._store.clock_offsets()
            self._kept = fleet(process_rows.rows(known, self._analyst, ahead, now), self._newest, now)
            self._kept_until = time.monotonic() + KEPT_S
        return self._kept

    async def changes(self, request: Request) -> Response:
        """See `Changes.answer`."""
        return self.watched.answer(self._gate, request)

    def _html(self, filters: FleetFilters, visitor: Visitor) -> str:
        known = self.known()
        chosen = filters.chosen(known)
        return self._pages.html(
            "fleet.html",
            visitor,
            is_known=bool(known.hosts),
            hosts=chosen.hosts[:MOST_ROWS],
            processes=chosen.processes[:MOST_ROWS],
            hosts_left_out=max(len(chosen.hosts) - MOST_ROWS, 0),
            processes_left_out=max(len(chosen.processes) - MOST_ROWS, 0),
            filters=filters,
            host_names=sorted(host.name for host in known.hosts),
            services=sorted({row.service for row in known.processes}),
            json_address=json_address("/fleet", filters),
        )

    async def _look(self) -> object:
        """What somebody who looks wants to see when it changes. While nobody does, the store is not asked."""
        return await self._worker.run(self._content) if self.watched.watchers else None

    def _content(self) -> object:
        known = self.known()
        return [(host.name, host.version, host.is_stale, host.lost) for host in known.hosts], [
            (row.known.host, row.known.process, row.live, row.known.target_ppm, row.is_stale) for row in known.processes
        ]
