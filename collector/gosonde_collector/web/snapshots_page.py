"""The pages of a process's snapshots: all of them, one, and what changed from one to another."""

from typing import Any

from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import InvalidInputError, NotFoundError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.model.worker import Worker
from gosonde_collector.store.protocol import Store
from gosonde_collector.web import process_view, snapshot_list, snapshot_view
from gosonde_collector.web.gate import Gate, Visitor
from gosonde_collector.web.headers import FLAMES
from gosonde_collector.web.process_rows import ProcessRow, asked_for
from gosonde_collector.web.rendering import Pages, as_json, wants_json
from gosonde_collector.web.snapshot_filters import Filters
from gosonde_collector.web.snapshot_flames import picture
from gosonde_collector.web.snapshot_view import Chosen


class SnapshotsPage:
    """The store is asked and pages are made in the worker's thread."""

    def __init__(self, worker: Worker, store: Store, analyst: Analyst, pages: Pages, *, gate: Gate) -> None:
        self._worker = worker
        self._store = store
        self._analyst = analyst
        self._pages = pages
        self._gate = gate

    async def page(self, request: Request) -> Response:
        """All snapshots; with the query `id` one of them, with `from` besides what changed since then.

        Raises:
            UnauthenticatedError: Nobody who is known asks.
            NotFoundError: There is no such process, or it has no such snapshot.
            InvalidInputError: A filter is none, or cannot be answered.
        """
        visitor = self._gate.visitor(request)
        return await self._worker.run(self._answer, request, visitor)

    async def flames(self, request: Request) -> Response:
        """The flame graph of a snapshot, or of what changed, in a file with a script of its own. Raises as `page`."""
        self._gate.visitor(request)
        return await self._worker.run(self._flames, request)

    def _flames(self, request: Request) -> Response:
        process, query = self._process(request), request.query_params
        chosen = self._chosen(process, query.get("id", ""), query.get("from", ""))
        found = picture(process.known.process.key.pid, chosen, Filters.of(query))
        return Response("".join(found), headers=FLAMES, media_type="image/svg+xml")

    def _answer(self, request: Request, visitor: Visitor) -> Response:
        process, query = self._process(request), request.query_params
        if "id" not in query:
            listed = snapshot_list.listed(self._store, process, snapshot_list.MOST, steady_unix_nano())
            if wants_json(request):
                return as_json(snapshot_list.document(listed))
            return HTMLResponse(self._pages.html("snapshots.html", visitor, snapshots=listed))
        filters = Filters.of(query)
        chosen = self._chosen(process, query["id"], query.get("from", ""))
        document = snapshot_view.document(chosen, filters)
        if wants_json(request):
            return as_json(document)
        name = "snapshot.html" if len(chosen) == 1 else "comparison.html"
        values: dict[str, Any] = {
            "process": process,
            "chosen": chosen,
            "filters": filters,
            "known": document,
            "snapshots_address": process.below("snapshots"),
            "flames_address": process.below("flames.svg"),
            "colour": filters.colour(chosen[0].profile),
        }
        return HTMLResponse(self._pages.html(name, visitor, **values))

    def _process(self, request: Request) -> ProcessRow:
        which, key = asked_for(request)
        return process_view.row_of(self._store, self._analyst, which, key, steady_unix_nano())

    def _chosen(self, process: ProcessRow, snapshot_id: str, other_id: str) -> list[Chosen]:
        """One snapshot or two, the earlier one first."""
        if other_id and snapshot_id == other_id:
            raise InvalidInputError("choose two snapshots that differ")
        ids = [other_id, snapshot_id] if other_id else [snapshot_id]
        return sorted((self._one(process, one) for one in ids), key=lambda one: one.row.profile.taken_unix_nano)

    def _one(self, process: ProcessRow, snapshot_id: str) -> Chosen:
        host, key = process.known.host, process.known.process.key
        found, _ = self._store.profiles(host, key, 1, snapshot_id)
        if not found or not snapshot_id:
            raise NotFoundError("the process has no such snapshot; it may be older than the store keeps them")
        row = snapshot_list.row(found[0], steady_unix_nano(), self._store.clock_offsets().get(host, 0))
        if not row.shows_goroutines:
            raise InvalidInputError(f"a {found[0].kind} profile shows no goroutines: use go tool pprof")
        snapshot = self._store.snapshot(snapshot_id)
        empty = GoroutineProfile(found[0].format, (), found[0].taken_unix_nano, found[0].kind)
        return Chosen(row, snapshot.profile if snapshot else empty)
