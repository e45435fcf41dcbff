"""Who may ask for what, and how often. docs/security.md describes it."""

import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
from gosonde_common.errors import (
    ForbiddenError,
    OverloadedError,
    UnauthenticatedError,
    UsageError,
)
from gosonde_common.ratelimit import Rates
from gosonde_common.receiving import QUESTION, Terms
from gosonde_common.server_tls import Followed, fingerprint, read_list

from gosonde_collector.config import CollectorConfig
from gosonde_collector.model.tokens import bearer, digest_of
from gosonde_collector.telemetry.counters import Telemetry

#: Calls of one peer, besides streams: each second, and at once after a rest.
CALLS_PER_SECOND: Final = 50.0
CALLS_AT_ONCE: Final = 200.0
#: Open streams of one agent: its own, and those of which the collector does not know yet that they are dead.
STREAMS_PER_AGENT: Final = 8

INGEST: Final = "/gosonde.v1.IngestService/"
QUERIES: Final = "/gosonde.v1.CollectorService/"
HEALTH: Final = "/grpc.health.v1.Health/"
SHA256: Final = re.compile(r"[0-9a-f]{64}")

#: Bytes of one request: a batch (agents part theirs at 2 MiB), and a piece of what people and programs push.
BATCH_BYTES: Final = 4 << 20
UPLOAD_BYTES: Final = (4 << 20) + (16 << 10)
#: Messages inside of one batch: processes, their keys and steps.
BATCH_ELEMENTS: Final = 100_000
#: What may be sent where; whatever is not here takes questions. Who may push at all is decided before a byte is read.
TERMS: Final = {
    f"{INGEST}StreamObservations": Terms(BATCH_BYTES, may_rest=True, most_elements=BATCH_ELEMENTS),
    f"{QUERIES}PushSnapshot": Terms(UPLOAD_BYTES),
    f"{QUERIES}PushEscapes": Terms(UPLOAD_BYTES),
    f"{QUERIES}PushGcTrace": Terms(UPLOAD_BYTES),
}
#: The largest of them: gRPC lets no longer request in.
MAX_REQUEST_BYTES: Final = max(terms.most_bytes for terms in TERMS.values())

Context = grpc.aio.ServicerContext[Any, Any]
Content = TypeVar("Content")


class Role(IntEnum):
    """What the bearer of a token may do; a higher one includes the lower ones."""

    READ = 1
    ADMIN = 2


#: How the names of methods begin that only read; every other one needs ADMIN.
READING: Final = ("List", "Get", "Watch", "Explain", "ServerReflectionInfo")


class Access:
    """A `gosonde_common.serving.Gate`: certificates for agents, tokens for everyone else, and limits for all."""

    def __init__(self, config: CollectorConfig, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._certificates = bool(config.tls_client_ca)
        self._max_agents = int(config.max_agents)
        self._tokens = _followed(config.tokens, read_tokens)
        self._revoked = _followed(config.tls_revoked, read_fingerprints)
        self._rates = Rates(CALLS_PER_SECOND, CALLS_AT_ONCE)
        self._streams: Counter[tuple[str, str]] = Counter()

    def admit(self, method: str, context: Context) -> None:
        """See Gate.

        Raises:
            UnauthenticatedError: No certificate or token, an unknown or a revoked one.
            ForbiddenError: The role is too low.
            OverloadedError: The peer asks too often.
        """
        if method.startswith(HEALTH):
            return
        if method.startswith(INGEST):
            self.check_certificate(context)
            return
        if not self._rates.allows(_peer(context)):
            raise OverloadedError(f"more than {CALLS_PER_SECOND:g} calls a second; ask less often")
        if self.wants_tokens:
            self._check_token(method, context)

    @property
    def wants_tokens(self) -> bool:
        """Whether questions need a token."""
        return self._tokens is not None

    def role_of(self, digest: str) -> Role | None:
        """The role of the token with this digest, as the file says now; None when there is no such token."""
        tokens = self._tokens.get()[0] if self._tokens else {}
        return max((role for known, role in tokens.items() if hmac.compare_digest(known, digest)), default=None)

    def terms(self, method: str) -> Terms:
        """See Gate."""
        return TERMS.get(method, QUESTION)

    def refused(self, method: str, status: grpc.StatusCode) -> None:
        """See Gate."""
        self._telemetry.refused(method, status)

    def check_certificate(self, context: Context) -> None:
        """The peer has a certificate that was not revoked; where agents need none, anything will do.

        Raises:
            UnauthenticatedError: It has not.
        """
        if not self._certificates:
            return
        (certificate,) = context.auth_context().get("x509_pem_cert", [b""])
        if not certificate:
            raise UnauthenticatedError("agents need a client certificate: use the address of `listen`")
        if self._revoked and fingerprint(certificate) in self._revoked.get()[0]:
            raise UnauthenticatedError("the client certificate was revoked; give the agent a new one")

    def check_host(self, host: str, context: Context) -> None:
        """The certificate is for this host: a subject alternative name is the host's, or "*.NAME" and its name ends so.

        Raises:
            ForbiddenError: It is not.
        """
        if not self._certificates:
            return
        names = {
            name.decode("utf-8", "replace") for name in context.auth_context().get("x509_subject_alternative_name", ())
        }
        if host not in names and not any(_is_below(host, name) for name in names):
            raise ForbiddenError(
                f"the certificate is for {', '.join(sorted(names)) or 'no name'}, and the agent says that its host is "
                f"{host}; an agent may report for its own host only"
            )

    @contextmanager
    def stream(self, host: str, agent_id: str) -> Iterator[None]:
        """Counts an agent's stream while it is open.

        Raises:
            OverloadedError: The agent has too many, or all agents together have.
        """
        if self._streams.total() >= self._max_agents:
            raise OverloadedError(f"{self._max_agents} agents are connected (max_agents); use another collector")
        agent = host, agent_id
        if self._streams[agent] >= STREAMS_PER_AGENT:
            raise OverloadedError(f"the agent has {STREAMS_PER_AGENT} open streams already")
        self._streams[agent] += 1
        try:
            yield
        finally:
            self._streams[agent] -= 1
            if not self._streams[agent]:
                del self._streams[agent]

    def _check_token(self, method: str, context: Context) -> None:
        metadata = dict(context.invocation_metadata() or ())
        token = bearer(str(metadata.get("authorization", "")))
        if not token:
            raise UnauthenticatedError("a token is needed: put it into the environment as GOSONDE_TOKEN")
        role = self.role_of(digest_of(token))
        if role is None:
            raise UnauthenticatedError("the token is not known to this collector")
        if role < Role.ADMIN and not method.rpartition("/")[2].startswith(READING):
            raise ForbiddenError("the token has the role read, but this needs admin")


def read_tokens(path: Path) -> Mapping[str, Role]:
    """The roles by the SHA-256 of their tokens: lines `read DIGEST` or `admin DIGEST`, and anything behind.

    Raises:
        UsageError: A line is something else, or the file cannot be read.
    """
    found = {}
    for words in read_list(path):
        if len(words) < 2 or words[0].upper() not in Role.__members__ or not SHA256.fullmatch(words[1]):
            raise UsageError(f"{path}: a line is not `read SHA256` or `admin SHA256`, 64 hexadecimal digits each")
        found[words[1]] = Role[words[0].upper()]
    return found


def read_fingerprints(path: Path) -> frozenset[str]:
    """The SHA-256 fingerprints of revoked certificates, one on each line, with or without colons. Raises UsageError."""
    found = frozenset(words[0].replace(":", "").lower() for words in read_list(path))
    if wrong := [digits for digits in found if not SHA256.fullmatch(digits)]:
        raise UsageError(f"{path}: {wrong[0][:80]!r} is not a SHA-256 fingerprint")
    return found


def _followed(path: str, read: Callable[[Path], Content]) -> Followed[Content] | None:
    return Followed((Path(path),), lambda: read(Path(path))) if path else None


def _peer(context: Context) -> str:
    """The peer's address without its port."""
    return context.peer().rpartition(":")[0]


def _is_below(host: str, name: str) -> bool:
    """Whether a name "*.NAME" covers the host; unlike in TLS, `*` is any number of labels: names of nodes have dots."""
    return len(name) > len("*.") and name.startswith("*.") and host.endswith(name[1:]) and len(host) >= len(name)
