"""Muting a finding, and having it speak again."""

from collections.abc import Mapping
from typing import Final

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.audit import Act
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.model.by import By
from gosonde_collector.model.worker import Worker
from gosonde_collector.store.records import Mute
from gosonde_collector.telemetry.own_acts import OwnActs
from gosonde_collector.web.gate import Gate, Visitor
from gosonde_collector.web.rendering import moment
from gosonde_collector.web.signing_in import read_form

log = structlog.get_logger(__name__)

HOUR_NS: Final = 3_600_000_000_000
DAY_NS: Final = 24 * HOUR_NS
#: For how long one may mute, as the form names it.
DURATIONS: Final = {
    "1 hour": HOUR_NS,
    "8 hours": 8 * HOUR_NS,
    "1 day": DAY_NS,
    "7 days": 7 * DAY_NS,
    "30 days": 30 * DAY_NS,
    "90 days": 90 * DAY_NS,
}
#: What a mute may cover, as the form names it.
FINDING, FUNCTION = "finding", "function"
#: Characters of a reason.
LONGEST_REASON: Final = 300


class Muting:
    """Mutes are stored in the worker's thread. Only who has the role admin may."""

    def __init__(self, worker: Worker, analyst: Analyst, gate: Gate, acts: OwnActs) -> None:
        self._worker = worker
        self._acts = acts
        self._analyst = analyst
        self._gate = gate

    async def mute(self, request: Request) -> Response:
        """Mutes a finding by what a form says, and leads back to it.

        Raises:
            UnauthenticatedError: Nobody who is known asks.
            ForbiddenError: His role is too low.
            InvalidInputError: The form lacks something, or has something that it may not have.
            NotFoundError: There is no such finding.
            OverloadedError: Too many mutes hold, or the disk is full.
        """
        visitor = self._gate.admin(request)
        finding, fields = self._analyst.finding(request.path_params["id"]), await read_form(request)
        mute = mute_of(fields, finding, visitor, steady_unix_nano())
        await self._worker.run(self._add, mute, finding, visitor.by)
        log.info("findings muted", by=mute.by, reason=mute.reason, until_unix_nano=mute.until_unix_nano, **_named(mute))
        return RedirectResponse(f"/findings/{finding.id}", 303)

    async def unmute(self, request: Request) -> Response:
        """Ends what mutes a finding, and leads back to it. Raises as `mute`."""
        visitor = self._gate.admin(request)
        finding = self._analyst.finding(request.path_params["id"])
        await self._worker.run(self._end, finding, visitor.by)
        log.info("finding unmuted", by=visitor.name, finding=finding.id)
        return RedirectResponse(f"/findings/{finding.id}", 303)

    def _add(self, mute: Mute, finding: Finding, by: By) -> None:
        covered = ", ".join(f"{name} {value}" for name, value in _named(mute).items())
        place = (finding.host, finding.process) if mute.finding else ()
        detail = f"{covered}, until {moment(mute.until_unix_nano)}: {mute.reason}"
        self._acts.note(Act.FINDINGS_MUTED, by, *place, detail=detail)
        self._analyst.mutes.add(mute)

    def _end(self, finding: Finding, by: By) -> None:
        self._acts.note(Act.FINDING_UNMUTED, by, finding.host, finding.process, detail=f"finding {finding.id}")
        self._analyst.mutes.end(finding)


def mute_of(fields: Mapping[str, str], finding: Finding, visitor: Visitor, now_unix_nano: int) -> Mute:
    """What a form says. Raises InvalidInputError."""
    reason, lasting = fields.get("reason", "").strip(), DURATIONS.get(fields.get("for", ""))
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise InvalidInputError(
            f"a mute needs a reason of 1 to {LONGEST_REASON} characters, without line breaks and characters that "
            "cannot be seen"
        )
    if lasting is None:
        raise InvalidInputError(f"a mute needs an end: one of {', '.join(DURATIONS)}")
    rest = reason, visitor.name, now_unix_nano, now_unix_nano + lasting
    if fields.get("covers") == FINDING:
        return Mute(finding.id, "", "", *rest)
    if fields.get("covers") == FUNCTION and finding.site.function:
        return Mute("", finding.service, finding.site.function, *rest)
    raise InvalidInputError("a mute covers one finding, or those of a function whose name is known")


def _named(mute: Mute) -> dict[str, str]:
    names = {"finding": mute.finding, "service": mute.service, "function": mute.function}
    return {name: value for name, value in names.items() if value}
