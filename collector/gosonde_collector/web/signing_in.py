"""Signing in with a token, and out again."""

import re
from typing import Final
from urllib.parse import parse_qs, urlencode

from gosonde_common.errors import GosondeError, InvalidInputError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gosonde_collector.web.gate import Gate
from gosonde_collector.web.rendering import Pages
from gosonde_collector.web.sessions import LONGEST_S

#: Where one may be led after signing in: pages of ours.
OURS: Final = re.compile(r"/[A-Za-z0-9][A-Za-z0-9/?&=%+._~-]{0,2000}")
FIRST: Final = "/findings"
#: Fields of a form.
MOST_FIELDS: Final = 8


class SigningIn:
    """The pages of it."""

    def __init__(self, gate: Gate, pages: Pages) -> None:
        self._gate = gate
        self._pages = pages

    async def form(self, request: Request) -> Response:
        """Where a token is asked for."""
        return HTMLResponse(self._html(request.query_params.get("next", ""), ""))

    async def sign_in(self, request: Request) -> Response:
        """Begins a session for whoever gives a token that is known; else the form again, with the reason."""
        fields = await read_form(request)
        to = fields.get("next", "")
        try:
            number = self._gate.sign_in(request, fields.get("token", ""))
        except GosondeError as error:
            return HTMLResponse(self._html(to, str(error)), 403)
        answer = RedirectResponse(to if OURS.fullmatch(to) else FIRST, 303)
        answer.set_cookie(
            self._gate.cookie,
            number,
            max_age=int(LONGEST_S),
            secure=self._gate.is_encrypted,
            httponly=True,
            samesite="strict",
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Ends the session."""
        self._gate.sessions.end(request.cookies.get(self._gate.cookie, ""))
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(self._gate.cookie, secure=self._gate.is_encrypted, httponly=True, samesite="strict")
        return answer

    def _html(self, to: str, reason: str) -> str:
        return self._pages.html("sign_in.html", None, to=to if OURS.fullmatch(to) else "", reason=reason)


def sign_in_address(request: Request) -> str:
    """Where to sign in, to be led back afterwards."""
    to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?{urlencode({'next': to})}" if OURS.fullmatch(to) else "/sign-in"


async def read_form(request: Request) -> dict[str, str]:
    """The first value of each field of a form. Raises InvalidInputError."""
    try:
        fields = parse_qs((await request.body()).decode("ascii"), max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise InvalidInputError("that is no form of this page") from error
    return {name: values[0] for name, values in fields.items()}
