"""The application: which address leads where, and what holds for all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final, cast

import structlog
from gosonde_common.errors import (
    ForbiddenError,
    GosondeError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
)
from gosonde_common.serving import status_of
from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.web.changes import Changes
from gosonde_collector.web.files import Files
from gosonde_collector.web.finding_page import FindingPage
from gosonde_collector.web.findings_page import FindingsPage
from gosonde_collector.web.fleet_page import FleetPage
from gosonde_collector.web.gate import Gate
from gosonde_collector.web.headers import HEADERS
from gosonde_collector.web.muting import Muting
from gosonde_collector.web.process_changes import ProcessChanges
from gosonde_collector.web.process_page import ProcessPage
from gosonde_collector.web.rendering import Pages, as_json, wants_json
from gosonde_collector.web.signing_in import SigningIn, sign_in_address
from gosonde_collector.web.snapshot_forms import SnapshotForms
from gosonde_collector.web.snapshots_page import SnapshotsPage

log = structlog.get_logger(__name__)

#: Bytes of what a form sends.
BODY_BYTES: Final = 16 << 10
STATUSES: Final[tuple[tuple[type[GosondeError], int, str], ...]] = (
    (InvalidInputError, 400, "That is no question"),
    (UnauthenticatedError, 401, "Sign in"),
    (ForbiddenError, 403, "Not allowed"),
    (NotFoundError, 404, "Not there"),
    (OverloadedError, 429, "Too much"),
    (UnavailableError, 503, "Not now"),
    (GosondeError, 500, "That failed"),
)


class Guard:
    """In front of everything: the gate's checks, the headers that each answer has, and an answer whatever fails."""

    def __init__(self, app: ASGIApp, gate: Gate, failures: "Failures") -> None:
        self._app = app
        self._gate = gate
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def guarded(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        try:
            self._gate.check(request)
            await self._app(scope, receive, guarded)
        except GosondeError as error:
            await self._failures.known(request, error)(scope, receive, guarded)
        except Exception:
            log.exception("a web page failed", path=request.url.path)
            if not has_begun:
                await self._failures.unknown(request)(scope, receive, guarded)


class AnyName(StringConvertor):
    """What a stranger has named, as part of an address: with slashes and line breaks, too."""

    regex = r"[\s\S]+"


def application(
    gate: Gate,
    pages: Pages,
    telemetry: Telemetry,
    *,
    findings: FindingsPage,
    finding: FindingPage,
    fleet: FleetPage,
    process: ProcessPage,
    snapshots: SnapshotsPage,
    process_changes: ProcessChanges,
    muting: Muting,
    taking: SnapshotForms,
) -> Starlette:
    """Everything that is served."""
    register_url_convertor("any", AnyName())
    signing = SigningIn(gate, pages)
    failures = Failures(pages, telemetry)
    app = Starlette(
        routes=[
            Route("/", _first),
            Route("/sign-in", signing.form, methods=["GET"]),
            Route("/sign-in", signing.sign_in, methods=["POST"]),
            Route("/sign-out", signing.sign_out, methods=["POST"]),
            Route("/static/{name}", Files().serve),
            Route("/changes", findings.changes),
            Route("/findings", findings.page),
            Route("/findings/{id}", finding.page),
            Route("/findings/{id}/flames.svg", finding.flames),
            Route("/findings/{id}/goroutines.pb.gz", finding.pprof),
            Route("/findings/{id}/changes", finding.changes),
            Route("/processes/{host:any}/{pid:int}/changes", process_changes.changes),
            Route("/findings/{id}/snapshot", taking.of_finding, methods=["POST"]),
            Route("/processes/{host:any}/{pid:int}/snapshot", taking.of_process, methods=["POST"]),
            Route("/findings/{id}/mute", muting.mute, methods=["POST"]),
            Route("/findings/{id}/unmute", muting.unmute, methods=["POST"]),
            Route("/fleet", fleet.page),
            Route("/fleet/changes", fleet.changes),
            Route("/processes/{host:any}/{pid:int}", process.page),
            Route("/processes/{host:any}/{pid:int}/snapshots", snapshots.page),
            Route("/processes/{host:any}/{pid:int}/flames.svg", snapshots.flames),
        ],
        middleware=[Middleware(Guard, gate=gate, failures=failures), Middleware(GZipMiddleware, compresslevel=1)],
        exception_handlers={HTTPException: failures.http},
        lifespan=lambda _app: _watching(findings.watched, finding.watched, fleet.watched, process_changes.watched),
        max_body_size=BODY_BYTES,
    )
    app.router.redirect_slashes = False
    return app


class Failures:
    """What a browser or a program sees of an error."""

    def __init__(self, pages: Pages, telemetry: Telemetry) -> None:
        self._pages = pages
        self._telemetry = telemetry

    def known(self, request: Request, error: GosondeError) -> Response:
        """An error of gosonde's."""
        self._telemetry.refused("/web/", status_of(error))
        if isinstance(error, UnauthenticatedError) and request.method == "GET" and not wants_json(request):
            return RedirectResponse(sign_in_address(request), 303)
        status, title = next((status, title) for kind, status, title in STATUSES if isinstance(error, kind))
        return self._answer(request, status, title, str(error))

    async def http(self, request: Request, error: Exception) -> Response:
        """No such address, no such method there, or too much in a form."""
        status = cast("HTTPException", error).status_code
        return self._answer(request, status, "Not there", HTTPStatus(status).phrase)

    def unknown(self, request: Request) -> Response:
        """A mistake in gosonde."""
        return self._answer(request, 500, "That failed", "The log of the collector says why.")

    def _answer(self, request: Request, status: int, title: str, text: str) -> Response:
        if wants_json(request):
            return as_json({"error": text}, status)
        return self._pages.message(status, title, text)


async def _first(_request: Request) -> Response:
    return RedirectResponse("/findings", 303)


@asynccontextmanager
async def _watching(*watched: Changes) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(changes.run()) for changes in watched]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
