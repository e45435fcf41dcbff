"""`gosonde http` shows groups of connections, and says what it does not know of them."""

from dataclasses import asdict

from gosonde.collector_client import Finding, HostSeen, ProcessName, SiteName
from gosonde_cli.commands.http import gaps, table
from gosonde_cli.finding_text import block
from gosonde_cli.rendering import cell, console
from gosonde_common.values.http import HttpConnections, HttpGroup, Side, State

BODIES = HttpGroup(
    Side.CLIENT, "HTTP/1.1", "https", "api:443", State.BODY, "", 1_200, 1_201, True, 60_000_000_000, True
)
SERVED = HttpGroup(Side.SERVER, "HTTP/1.1", "", "", State.ACTIVE, "main.slow", 3, 3, False, 2_000_000_000, False)
NOTHING = HttpGroup(Side.CLIENT, "HTTP/1.1", "", "", State.UNKNOWN, "", 1, 0, False, None, False)


def test_a_row_has_what_is_known_and_dashes_for_the_rest() -> None:
    found = table(HttpConnections([BODIES, NOTHING, SERVED]))
    assert [[cell(value) for value in row.cells] for row in found.rows] == [
        ["1,200", "body not read", "≥ 1 min 0 s", "https://api:443", "(on no stack)", "client", "HTTP/1.1", "1,201"],
        ["1", "unknown", "-", "-", "-", "client", "HTTP/1.1", "0"],
        ["3", "active", "2 s", "-", "main.slow", "server", "HTTP/1.1", "3"],
    ]
    assert [row.document for row in found.rows] == [asdict(BODIES), asdict(NOTHING), asdict(SERVED)]
    assert found.notes == ["1,204 connections in all"]


def test_connections_are_chosen_by_function_and_by_state() -> None:
    found = HttpConnections([BODIES, NOTHING, SERVED])
    assert [row.document["connections"] for row in table(found, function="slow").rows] == [3]
    assert [row.document["connections"] for row in table(found, state="body").rows] == [1_200]
    assert (table(found, state="new").empty, table(HttpConnections([])).empty) == (
        "No such connection is open.",
        "No connection of net/http is open.",
    )


def test_what_is_not_known_is_said() -> None:
    assert list(gaps(HttpConnections([], changing=1, unread=2))) == [
        "unknown: the state of 1 connection that changed each time while being read",
        "not read: 2 further goroutines of net/http, because there are so many",
    ]
    assert list(gaps(HttpConnections([]))) == []


def test_a_finding_says_to_which_hosts_its_connections_are() -> None:
    hosts = (HostSeen("https://api:443", 40, 37, 0, 3, 0, 1),)
    process, site = ProcessName(1, "/srv/shop"), SiteName("net/http.(*Transport).dialConn", "", 0)
    found = Finding("i", "growing", 1.0, "http-body", "", "web-1", process, site, 37, 1.0, 1, {}, {}, hosts=hosts)
    out = console(wide=True)
    with out.capture() as captured:
        for part in block(found, 80):
            out.print(part)
    assert "37 of 40 connections to https://api:443 wait for their body to be read (snapshot taken" in captured.get()
