"""Everything that is known of one finding."""

import hashlib
from typing import Any

from gosonde_common.clock import steady_unix_nano
from gosonde_common.flames.colours import ColourBy
from gosonde_common.flames.svg import flame_graph
from gosonde_common.flames.tree import Stack, Tree
from gosonde_common.values.ages import Ages
from gosonde_common.values.escapes import NOT_WHO_HOLDS, SAMPLED
from gosonde_common.values.goroutines import Location
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.explanation import Explanation, explain
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.newest import Newest
from gosonde_collector.web import (
    asking,
    documents,
    finding_goroutines,
    finding_states,
    findings_list,
    witness_rows,
)
from gosonde_collector.web.asking import Asking
from gosonde_collector.web.changes import SELDOM_S, Changes
from gosonde_collector.web.finding_series import course_of
from gosonde_collector.web.gate import Gate, Visitor
from gosonde_collector.web.headers import FLAMES
from gosonde_collector.web.kept import KeptAnswers
from gosonde_collector.web.muting import DURATIONS, LONGEST_REASON
from gosonde_collector.web.rendering import Pages, as_json, wants_json
from gosonde_collector.web.snapshot_forms import KINDS


class FindingPage:
    """The store is asked and pages are made in the worker's thread."""

    def __init__(
        self,
        worker: Worker,
        store: Store,
        analyst: Analyst,
        newest: Newest,
        pages: Pages,
        *,
        gate: Gate,
        asked: Asking,
    ) -> None:
        self._worker = worker
        self._store = store
        self._analyst = analyst
        self._asking = asked
        self._newest = newest
        self._pages = pages
        self._gate = gate
        self.watched = Changes(self._look, SELDOM_S)
        self._kept = KeptAnswers()

    async def page(self, request: Request) -> Response:
        """The finding.

        Raises:
            UnauthenticatedError: Nobody who is known asks.
            NotFoundError: There is no such finding.
        """
        visitor = self._gate.visitor(request)
        made = self._document if wants_json(request) else self._html
        number = request.path_params["id"]
        if not self.watched.watchers:
            return await self._worker.run(made, number, visitor)
        newest = self.watched.number, self._analyst.mutes.number, self._asking.number
        key = number, visitor, wants_json(request), newest
        return await self._worker.run(self._kept.of, key, lambda: made(number, visitor))

    async def changes(self, request: Request) -> Response:
        """One event whenever what the page of the finding shows has changed. Raises as `Changes.answer`."""
        number = request.path_params["id"]
        return self.watched.answer(self._gate, request, lambda seen: (seen or {}).get(number))

    async def _look(self) -> dict[str, object]:
        """What the pages of findings show, by id. While nobody watches one, nothing is looked at."""
        return await self._worker.run(self._content) if self.watched.watchers else {}

    def _content(self) -> dict[str, object]:
        now = steady_unix_nano()
        return {
            found.id: (
                found,
                self._newest.age_of(found.host, now)[1],
                self._analyst.mutes.of(found),
                self._asking.of(found.host, found.process),
            )
            for found in self._analyst.findings(ProcessFilter())
        }

    async def flames(self, request: Request) -> Response:
        """Its stacks as a flame graph, in a file with a script of its own. Raises as `page`."""
        self._gate.visitor(request)
        return await self._worker.run(self._flames, request.path_params["id"])

    async def pprof(self, request: Request) -> Response:
        """Its goroutines in the newest snapshot, as a file for go tool pprof. Raises as `page`."""
        self._gate.visitor(request)
        return await self._worker.run(self._pprof, request.path_params["id"])

    def _document(self, number: str, _visitor: Visitor) -> Response:
        known = explain(self._store, self._analyst, number)
        asked = map(asking.document, self._asking.of(known.finding.host, known.finding.process))
        return as_json({**self._explained(known), "asked": list(asked)})

    def _html(self, number: str, visitor: Visitor) -> Response:
        known = explain(self._store, self._analyst, number)
        values: dict[str, Any] = {
            "row": self._row(known),
            "known": known,
            "course": course_of(self._store, known),
            "goroutines": finding_goroutines.listing(self._store, known),
            "states_then": finding_states.over_time(self._store, known.finding),
            "witnesses": witness_rows.rows((*known.finding.witnesses, *known.gc_signs)),
            "is_read": known.series is not None and known.series.process.has_no_probes,
            "window": documents.window(known),
            "asked": self._asking.of(known.finding.host, known.finding.process),
            "kinds": KINDS,
            "durations": DURATIONS,
            "longest_reason": LONGEST_REASON,
            "bars": bars(known.ages) if known.ages else [],
            "flames": _digest(known.finding),
            "sampled": SAMPLED,
            "not_who_holds": NOT_WHO_HOLDS,
        }
        return HTMLResponse(self._pages.html("finding.html", visitor, **values))

    def _explained(self, known: Explanation) -> dict[str, Any]:
        goroutines = finding_goroutines.document(finding_goroutines.listing(self._store, known))
        return {
            **documents.explained(self._row(known), known, course_of(self._store, known)),
            "goroutines": goroutines,
            "states_over_time": finding_states.documents(finding_states.over_time(self._store, known.finding)),
        }

    def _pprof(self, number: str) -> Response:
        known = explain(self._store, self._analyst, number)
        headers = {"content-disposition": f'attachment; filename="finding-{known.finding.id}.pb.gz"'}
        return Response(finding_goroutines.pprof(known), headers=headers, media_type="application/octet-stream")

    def _row(self, known: Explanation) -> findings_list.Row:
        return findings_list.row(known.finding, self._analyst, self._newest, steady_unix_nano())

    def _flames(self, number: str) -> Response:
        finding = self._analyst.finding(number)
        tree = Tree("all goroutines")
        for count, frames in finding.stacks:
            calls = [Location(frame.function, frame.file, frame.line) for frame in reversed(frames)]
            tree.add(Stack(calls, count, finding.states[0][0] if finding.states else ""))
        picture = flame_graph(tree, f"stacks of finding {finding.id}", ColourBy.COUNT)
        return Response("".join(picture), headers=FLAMES, media_type="image/svg+xml")


def _digest(finding: Finding) -> str:
    """Other stacks, another address: so the page that renews itself shows them."""
    return hashlib.sha256(repr((finding.stacks, finding.states)).encode()).hexdigest()[:16]


def bars(ages: Ages) -> list[tuple[int, int, float]]:
    """(from how many seconds on, goroutines, their part of the longest bar) of each bar."""
    longest = max((bar.goroutines for bar in ages.bars), default=0) or 1
    return [(bar.at_least_ns // 1_000_000_000, bar.goroutines, bar.goroutines / longest) for bar in ages.bars]
