"""When pages of processes have something new to show: one look at the fleet for all of them."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.model.worker import Worker
from gosonde_collector.web import process_rows
from gosonde_collector.web.asking import Asking
from gosonde_collector.web.changes import SELDOM_S, Changes
from gosonde_collector.web.fleet import Fleet
from gosonde_collector.web.gate import Gate

#: The host, the pid, and the key of the address of a process.
Name = tuple[str, int, str]


class ProcessChanges:
    """`fleet` gives all processes that run, in the worker's thread."""

    def __init__(
        self, worker: Worker, fleet: Callable[[], Fleet], analyst: Analyst, asked: Asking, *, gate: Gate
    ) -> None:
        self._worker = worker
        self._fleet = fleet
        self._analyst = analyst
        self._asking = asked
        self._gate = gate
        self.watched = Changes(self._look, SELDOM_S)

    @property
    def newest(self) -> tuple[int, int, int]:
        """Differs from what it was before something changed."""
        return self.watched.number, self._analyst.mutes.number, self._asking.number

    async def changes(self, request: Request) -> Response:
        """One event whenever what the page of a process shows has changed. Raises as `Changes.answer`."""
        which, key = process_rows.asked_for(request)
        name = which.host, which.pid, key
        return self.watched.answer(self._gate, request, lambda seen: (seen or {}).get(name))

    async def _look(self) -> dict[Name, object]:
        """What the pages show. While nobody watches one, nothing is looked at."""
        return await self._worker.run(self._content) if self.watched.watchers else {}

    def _content(self) -> dict[Name, object]:
        findings: dict[object, list[object]] = {}
        for found in self._analyst.findings(ProcessFilter()):
            about = found.id, found.state, found.cause, self._analyst.mutes.of(found)
            findings.setdefault((found.host, found.process), []).append(about)
        content: dict[Name, object] = {}
        for row in self._fleet().processes:
            host, process = row.known.host, row.known.process
            name = host, process.key.pid, process_rows.key_text(process.key)
            numbers = row.known.created, row.known.exited, row.known.target_ppm, row.is_stale
            others = findings.get((host, process.key)), self._asking.of(host, process.key)
            content[name] = process, numbers, others
        return content
