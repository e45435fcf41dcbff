"""Groups of connections: those that look the same to people."""

from collections.abc import Iterable, Sequence
from typing import Final

from gosonde_common.values.http import HttpGroup, Side, State

from gosonde_agent.golang.pclntab import printed_name
from gosonde_agent.sources.memory.http.seen import Connection

#: A connection of HTTP/1 has one request in these states, and none in others.
WITH_REQUEST: Final = frozenset({State.WAITING, State.BODY, State.ACTIVE, State.HIJACKED})


def grouped(connections: Iterable[Connection]) -> list[HttpGroup]:
    """The groups: clients first, then those with the most connections."""
    groups: dict[tuple[str, ...], list[Connection]] = {}
    for one in connections:
        key = (one.side, one.protocol, one.scheme, one.host, one.state, one.function, str(one.is_on_no_stack))
        groups.setdefault(key, []).append(one)
    found = [_group(of) for of in groups.values()]
    return sorted(found, key=lambda of: (of.side is Side.SERVER, -of.connections, of.host, of.state, of.function))


def _group(of: Sequence[Connection]) -> HttpGroup:
    first = of[0]
    oldest = max(of, key=lambda one: -1 if one.age_ns is None else one.age_ns)
    return HttpGroup(
        side=first.side,
        protocol=first.protocol,
        scheme=first.scheme,
        host=first.host,
        state=first.state,
        function=printed_name(first.function),
        connections=len(of),
        oldest_ns=oldest.age_ns,
        is_on_no_stack=first.is_on_no_stack,
        requests=sum(_requests(one) for one in of),
        oldest_is_least=oldest.age_ns is not None and oldest.age_is_least,
    )


def _requests(one: Connection) -> int:
    return int(one.state in WITH_REQUEST) if one.requests is None else one.requests
