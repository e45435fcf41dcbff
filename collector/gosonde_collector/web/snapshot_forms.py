"""The button that has an agent take a snapshot, on the page of a finding and on that of a process."""

from typing import Final

from gosonde_common.errors import InvalidInputError, NotFoundError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import KnownProcess, ProcessFilter, ProcessKey, SnapshotKind
from gosonde_collector.model.worker import Worker
from gosonde_collector.store.protocol import Store
from gosonde_collector.web import process_rows
from gosonde_collector.web.asking import Asking
from gosonde_collector.web.gate import Gate
from gosonde_collector.web.signing_in import read_form

#: What each kind is called in the form, the most useful first.
KINDS: Final = {
    SnapshotKind.MEMORY: "all goroutines, from memory",
    SnapshotKind.PROOF: "a search of memory for leaks",
    SnapshotKind.PPROF: "pprof: goroutines",
    SnapshotKind.PPROF_LEAK: "pprof: leaks (Go 1.26 and later)",
    SnapshotKind.PPROF_HEAP: "pprof: heap",
}


class SnapshotForms:
    """The store is asked in the worker's thread. Only who has the role admin may."""

    def __init__(self, worker: Worker, store: Store, analyst: Analyst, asking: Asking, gate: Gate) -> None:
        self._worker = worker
        self._store = store
        self._analyst = analyst
        self._asking = asking
        self._gate = gate

    async def of_finding(self, request: Request) -> Response:
        """Asks for a snapshot of the finding's process, and leads back at once, to where one sees what becomes of it.

        Raises:
            UnauthenticatedError: Nobody who is known asks.
            ForbiddenError: His role is too low.
            InvalidInputError: The form names no kind of snapshot.
            NotFoundError: There is no such finding, or its process runs no longer.
            OverloadedError: See Asking.ask.
        """
        admin = self._gate.admin(request)
        finding = self._analyst.finding(request.path_params["id"])
        kind = kind_of((await read_form(request)).get("kind", ""))
        await self._worker.run(self._running, finding.host, finding.process)
        self._asking.ask(finding.host, finding.process, kind, admin)
        return RedirectResponse(f"/findings/{finding.id}#take", 303)

    async def of_process(self, request: Request) -> Response:
        """The same for the page of a process, whose query it has. Raises as `of_finding`."""
        admin = self._gate.admin(request)
        kind = kind_of((await read_form(request)).get("kind", ""))
        known = await self._worker.run(self._known, *process_rows.asked_for(request))
        self._asking.ask(known.host, known.process.key, kind, admin)
        return RedirectResponse(f"{process_rows.address(known.host, known.process.key)}#take", 303)

    def _running(self, host: str, process: ProcessKey) -> KnownProcess:
        return self._known(ProcessFilter(host, process.pid), process_rows.key_text(process))

    def _known(self, which: ProcessFilter, key: str) -> KnownProcess:
        for known in self._store.processes(which):
            if process_rows.is_named(known.process.key, key) and not known.process.ended_unix_nano:
                return known
        raise NotFoundError(f"process {which.pid} of host {which.host} does not run, so no snapshot can be taken of it")


def kind_of(name: str) -> SnapshotKind:
    """Raises InvalidInputError: there is no such kind."""
    if name not in set(SnapshotKind):
        raise InvalidInputError(f"say what to take: one of {', '.join(SnapshotKind)}")
    return SnapshotKind(name)
