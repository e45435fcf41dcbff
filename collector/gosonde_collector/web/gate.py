"""Who may look, and what a browser may be made to do. docs/web.md describes it."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from gosonde_common import foreign
from gosonde_common.errors import ForbiddenError, OverloadedError, UnauthenticatedError
from gosonde_common.ratelimit import Rates
from gosonde_common.values.audit import Actor
from starlette.requests import Request

from gosonde_collector.config import CollectorConfig
from gosonde_collector.ingest.access import Access, Role
from gosonde_collector.model.by import By, described
from gosonde_collector.model.tokens import bearer, digest_of
from gosonde_collector.web.sessions import Sessions

#: Requests of one visitor, and trials of tokens from one address: each second, and at once after a rest.
REQUESTS: Final = (50.0, 200.0)
TRIALS: Final = (0.2, 5.0)
#: Characters of a name that a proxy gives.
LONGEST_NAME: Final = 200
#: A Host header.
HOST: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9.-]+))(?::[0-9]{1,5})?")
SAFE: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks.

    Attributes:
        name: What a proxy says; else "".
        can_sign_out: The collector itself has asked for a token.
        described: The name, or the address and the token's digest.
    """

    name: str
    role: Role
    can_sign_out: bool = False
    described: str = ""

    @property
    def may_act(self) -> bool:
        """Whether he may do what is more than looking."""
        return self.role >= Role.ADMIN

    @property
    def by(self) -> By:
        """For what he does."""
        return By(Actor.PAGE, self.described)


class Gate:
    """Belongs to the page's event loop."""

    def __init__(self, config: CollectorConfig, access: Access) -> None:
        self._access = access
        self._header = config.web_user_header
        self._admins = frozenset(filter(None, map(str.strip, config.web_admins.split(","))))
        self._requests, self._trials = Rates(*REQUESTS), Rates(*TRIALS)
        self.sessions = Sessions()
        self.cookie = "__Host-gosonde" if config.tls_cert else f"gosonde-{config.web.rpartition(':')[2]}"
        self.is_encrypted = bool(config.tls_cert)

    def check(self, request: Request) -> None:
        """Before anything is done for a request.

        Raises:
            OverloadedError: The address asks too often.
            ForbiddenError: Another page has made the browser ask, or led it here under a name of its own.
        """
        if not self._requests.allows(self._peer(request)):
            raise OverloadedError(f"more than {REQUESTS[0]:g} requests a second; ask less often")
        host = request.headers.get("host", "")
        if not self._header and not self._access.wants_tokens and not is_loopback(host):
            raise ForbiddenError(
                "without tokens the page answers only under localhost or a loopback address, so that no other page can "
                "reach it through a name of its own"
            )
        if request.method not in SAFE and not is_of_this_page(request, host):
            raise ForbiddenError("the request does not come from a page of this collector")

    def visitor(self, request: Request) -> Visitor:
        """Who asks.

        Raises:
            UnauthenticatedError: Nobody who is known.
        """
        if self._header:
            return self._named(request)
        if not self._access.wants_tokens:
            return Visitor("", Role.ADMIN, described=self._peer(request))
        if token := bearer(request.headers.get("authorization", "")):
            by_token = described(self._peer(request), digest_of(token))
            return Visitor("", self._role(request, token), described=by_token)
        digest = self.sessions.digest(request.cookies.get(self.cookie, ""))
        role = self._access.role_of(digest) if digest else None
        if role is None:
            raise UnauthenticatedError("sign in with a token of this collector")
        return Visitor("", role, can_sign_out=True, described=described(self._peer(request), digest))

    def admin(self, request: Request) -> Visitor:
        """Who asks, and may do more than look.

        Raises:
            UnauthenticatedError: Nobody who is known.
            ForbiddenError: The role is too low.
        """
        visitor = self.visitor(request)
        if not visitor.may_act:
            raise ForbiddenError("you have the role read, but this needs admin")
        return visitor

    def may_go_on(self, request: Request) -> bool:
        """Whether who has asked may still look: a token may be revoked, and a session may end, while a page is open."""
        try:
            self.visitor(request)
        except (UnauthenticatedError, OverloadedError):
            return False
        return True

    def sign_in(self, request: Request, token: str) -> str:
        """The number of a new session for whoever shows a token.

        Raises:
            UnauthenticatedError: The token is not known.
            OverloadedError: Too many were tried from this address.
        """
        self._role(request, token)
        return self.sessions.begin(digest_of(token))

    def _role(self, request: Request, token: str) -> Role:
        if (role := self._access.role_of(digest_of(token))) is not None:
            return role
        if not self._trials.allows(self._peer(request)):
            raise OverloadedError("too many tokens were tried from this address; wait a minute")
        raise UnauthenticatedError("the token is not known to this collector")

    def _named(self, request: Request) -> Visitor:
        names = request.headers.getlist(self._header)
        if len(names) != 1 or not names[0].strip() or len(names[0]) > LONGEST_NAME:
            raise UnauthenticatedError(f"the proxy in front of this page gives no name in {self._header}")
        name = names[0].strip()
        shown = foreign.shown(name)
        return Visitor(shown, Role.ADMIN if name in self._admins else Role.READ, described=shown)

    def _peer(self, request: Request) -> str:
        name = request.headers.get(self._header, "") if self._header else ""
        return name[:LONGEST_NAME] or (request.client.host if request.client else "")


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine by localhost or a loopback address, whatever the port."""
    match = HOST.fullmatch(host)
    name = (match["six"] or match["name"]) if match else ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_of_this_page(request: Request, host: str) -> bool:
    """Whether a browser says that a page of ours has made the request. Whoever says nothing is no browser of today."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(host) and origin.partition("://")[2] == host
