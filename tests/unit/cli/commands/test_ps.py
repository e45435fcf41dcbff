"""The list of this host's Go processes says how many, how fast, what can be done, and what was not seen."""

from dataclasses import replace

import pytest
from gosonde_agent.discovery.listing import READ, TRACE, Listed, Listing
from gosonde_cli.commands import ps
from gosonde_cli.rendering import cell
from gosonde_cli.tables.asked import Asked
from gosonde_common.errors import NotFoundError
from gosonde_common.values.containers import Container

BUSY = Listed(7, "/srv/orders", "go1.27.3", 120, 1_234.5, {})
CLOSED = Listed(8, "/srv/stock", "go1.16", None, None, {READ: "process 8 is closed", TRACE: "process 8 is closed"})
QUIET = Listed(9, "/srv/quiet", "go1.27.3", 4, 0.25, {TRACE: "without CAP_BPF: run as root"})
#: The cells about containers of what is in none.
NOWHERE = ("", "", "", "")
FOUND = Listing((QUIET, CLOSED, BUSY), 0, 0, 0)


def shown(found: Listing, asked: Asked) -> list[list[str]]:
    return [[cell(value) for value in row.cells] for row in ps.table(found, asked).rows]


def test_those_with_the_most_goroutines_come_first_and_what_is_not_known_is_no_zero() -> None:
    assert shown(FOUND, Asked()) == [
        ["120", "1,234", "7", "/srv/orders", *NOWHERE, "trace, read", "go1.27.3"],
        ["4", "0.2", "9", "/srv/quiet", *NOWHERE, "read", "go1.27.3"],
        ["-", "-", "8", "/srv/stock", *NOWHERE, "nothing", "go1.16"],
    ]


def test_reasons_stand_below_each_once() -> None:
    assert ps.table(FOUND, Asked()).notes == [
        "no trace of pid 9: without CAP_BPF: run as root",
        "no read of pid 8: the process is closed",
        "no trace of pid 8: the process is closed",
    ]


@pytest.mark.parametrize("asked", [Asked(process="orders"), Asked(process="7"), Asked(pid=7), Asked(exe="/srv/o*")])
def test_one_process_is_named_by_pid_name_or_executable(asked: Asked) -> None:
    assert [row.document["pid"] for row in ps.table(FOUND, asked).rows] == [7]


def test_a_name_that_nothing_has_is_an_error_that_names_what_is_there() -> None:
    with pytest.raises(NotFoundError, match="no Go process order is seen here; known: 9 quiet, 8 stock, 7 orders"):
        ps.table(FOUND, Asked(process="order"))


def test_what_was_not_looked_at_is_said() -> None:
    table = ps.table(Listing((), 3, 2, 1), Asked())
    assert [line.split(":")[0] for line in table.gaps] == [
        "this user may not know what 3 processes run",
        "2 processes not looked at",
        "1 process not searched for a Go library",
    ]


def test_what_is_said_of_one_process_is_said_in_the_singular() -> None:
    gaps = ps.table(Listing((), 1, 1, 1), Asked()).gaps
    assert gaps[0].split(":")[0] == "this user may not know what 1 process runs"
    assert gaps[1] == "1 process not looked at: no time or room left"


def test_json_has_null_for_what_is_not_known() -> None:
    assert ps.document(CLOSED) == {
        "pid": 8,
        "exe": "/srv/stock",
        "go_version": "go1.16",
        "goroutines": None,
        "created_per_second": None,
        "can": [],
        "cannot": CLOSED.cannot,
        "container": None,
    }


def test_a_process_in_a_container_has_its_id_and_the_uid_of_its_pod() -> None:
    uid = "0b7e3a4c-9f31-4d52-8a77-5a1d2c3b4e5f"
    inside = replace(BUSY, container=Container("0123456789abcdef" * 4, uid))
    ((*_, pod, namespace, workload, name, _can, _go),) = shown(Listing((inside,), 0, 0, 0), Asked())
    assert (pod, namespace, workload, name) == (uid, "", "", "0123456789ab")
    assert ps.document(inside)["container"] == {
        "id": "0123456789abcdef" * 4, "pod_uid": uid, "namespace": "", "pod": "", "name": "", "workload": "",
    }  # fmt: skip
