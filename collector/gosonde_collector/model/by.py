"""Who does something at the collector."""

from dataclasses import dataclass
from typing import Any, Final

import grpc
from gosonde_common.tcp_sockets import parse_peer
from gosonde_common.values.audit import Actor

from gosonde_collector.model.tokens import bearer, digest_of

#: Digits of a token's digest: enough to find its line in the file of tokens, and useless to who wants the token.
DIGITS: Final = 12

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class By:
    """An actor, who that is, and why he acts as far as he has said so."""

    actor: Actor
    who: str = ""
    why: str = ""


def client(context: Context) -> By:
    """Who calls over gRPC, and was admitted: "10.0.0.7 token 3f9a0c17be42"; "unix socket" where he has no address."""
    peer = parse_peer(context.peer())
    token = bearer(str(dict(context.invocation_metadata() or ()).get("authorization", "")))
    return By(Actor.CLIENT, described(peer[0] if peer else "unix socket", digest_of(token) if token else ""))


def described(address: str, digest: str) -> str:
    """An address, and a token by its digest; "" of the latter when none was shown."""
    return f"{address} token {digest[:DIGITS]}" if digest else address
