"""The page of one process."""

from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import NotFoundError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.store.protocol import Store
from gosonde_collector.web import process_view
from gosonde_collector.web.findings_list import MOST_ROWS
from gosonde_collector.web.gate import Gate, Visitor
from gosonde_collector.web.process_view import ProcessView
from gosonde_collector.web.rendering import Pages, as_json, wants_json


class ProcessPage:
    """The store is asked and pages are made in the worker's thread."""

    def __init__(self, worker: Worker, store: Store, analyst: Analyst, pages: Pages, *, gate: Gate) -> None:
        self._worker = worker
        self._store = store
        self._analyst = analyst
        self._pages = pages
        self._gate = gate

    async def page(self, request: Request) -> Response:
        """The process of a host and a pid, the newest or that of the query `key`.

        Raises:
            UnauthenticatedError: Nobody who is known asks.
            NotFoundError: There is no such process.
        """
        visitor = self._gate.visitor(request)
        which = ProcessFilter(request.path_params["host"], request.path_params["pid"])
        if not 0 < which.pid < 1 << 32:
            raise NotFoundError("there is no such process")
        key = request.query_params.get("key", "")
        if wants_json(request):
            return await self._worker.run(lambda: as_json(process_view.document(self._view(which, key))))
        return await self._worker.run(lambda: self._html(self._view(which, key), visitor))

    def _view(self, which: ProcessFilter, key: str) -> ProcessView:
        return process_view.view(self._store, self._analyst, which, key, steady_unix_nano())

    def _html(self, known: ProcessView, visitor: Visitor) -> Response:
        values = {
            "row": known.row,
            "sites": known.sites[:MOST_ROWS],
            "left_out": max(len(known.sites) - MOST_ROWS, 0),
            "findings": known.findings[:MOST_ROWS],
            "cycles": known.cycles,
        }
        return HTMLResponse(self._pages.html("process.html", visitor, **values))
