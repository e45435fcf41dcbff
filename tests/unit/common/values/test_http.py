"""Connections are counted by host, and what is said of a host is what is known."""

import pytest
from gosonde_common.values.http import (
    MOST_HOSTS,
    OTHERS,
    HostConnections,
    HttpGroup,
    Side,
    State,
    by_host,
)


def group(host: str, state: State, connections: int, *, side: Side = Side.CLIENT, forgotten: bool = False) -> HttpGroup:
    scheme = "https" if host else ""
    return HttpGroup(side, "HTTP/1.1", scheme, host, state, "", connections, 0, forgotten, None, oldest_is_least=False)


def test_connections_of_clients_are_counted_by_host_and_state() -> None:
    found = by_host(
        [
            group("api:443", State.BODY, 30, forgotten=True),
            group("api:443", State.BODY, 7),
            group("api:443", State.IDLE, 3),
            group("slow:443", State.WAITING, 90),
            group("", State.UNKNOWN, 1),
            group("", State.ACTIVE, 5, side=Side.SERVER),
        ]
    )
    assert found == (
        HostConnections("https://api:443", 40, 37, 0, 3, 30),
        HostConnections("https://slow:443", 90, 0, 90, 0, 0),
        HostConnections("", 1, 0, 0, 0, 0),
    )


def test_no_more_hosts_are_told_apart_than_may_be_and_none_is_left_out() -> None:
    found = by_host([group(f"h{n}:443", State.IDLE, n + 1) for n in range(100)])
    assert len(found) == MOST_HOSTS
    assert (found[0].host, found[-1].host) == ("https://h99:443", OTHERS)
    assert sum(one.connections for one in found) == sum(range(101))
    assert by_host([]) == ()


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (
            HostConnections("https://a:1", 40, 37, 0, 3, 0),
            "37 of 40 connections to https://a:1 wait for their body to be read",
        ),
        (HostConnections("https://a:1", 9, 0, 9, 0, 0), "9 of 9 connections to https://a:1 wait for an answer"),
        (HostConnections("https://a:1", 9, 0, 0, 8, 0), "8 of 9 connections to https://a:1 are idle"),
        (HostConnections("", 9, 0, 0, 0, 0), "9 connections to hosts that are not known are in another state"),
    ],
)
def test_a_sentence_has_what_most_needs_to_be_said(of: HostConnections, said: str) -> None:
    assert of.said == said


def test_a_sentence_says_how_many_responses_no_goroutine_has_any_more() -> None:
    said = HostConnections("https://a:1", 40, 37, 0, 3, 35).said
    assert said.endswith("wait for their body to be read, 35 of them with a response on no goroutine's stack")
