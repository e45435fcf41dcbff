"""Who asks for what is not known hears what is; who gets nothing hears whether that is because nobody looked."""

import pytest
from gosonde.collector_client import ProcessRow
from gosonde_cli.tables import known
from gosonde_common.errors import NotFoundError
from gosonde_common.values.containers import Container

from tests.unit.cli.commands.rows import process_row


def processes() -> list[ProcessRow]:
    return [
        process_row(host="web-1", pid=7, exe="/srv/orders"),
        process_row(host="web-1", pid=8, exe="/srv/stock"),
        process_row(host="web-2", pid=7, exe="/srv/orders"),
    ]


@pytest.mark.parametrize(
    ("host", "which", "exe", "found"),
    [
        ("", "", "", [("web-1", 7), ("web-1", 8), ("web-2", 7)]),
        ("web-1", "", "", [("web-1", 7), ("web-1", 8)]),
        ("", "7", "", [("web-1", 7), ("web-2", 7)]),
        ("", "orders", "", [("web-1", 7), ("web-2", 7)]),
        ("web-2", "orders", "", [("web-2", 7)]),
        ("", "", "*/st*", [("web-1", 8)]),
    ],
)
def test_processes_are_chosen_by_host_pid_name_and_executable(
    host: str, which: str, exe: str, found: list[tuple[str, int]]
) -> None:
    assert [(row.host, row.pid) for row in known.selected(processes(), host, which, exe)] == found


@pytest.mark.parametrize(
    ("host", "which", "exe", "message"),
    [
        ("db", "", "", "no process of a host db is known; known hosts: web-1, web-2"),
        ("", "9", "", "no process 9 is known; known processes: 7 orders, 8 stock"),
        ("web-2", "8", "", "no process 8 of host web-2 is known; known processes: 7 orders"),
        ("", "order", "", "no process order is known; known processes: 7 orders, 8 stock"),
        ("", "", "/usr/*", "no executable matches /usr/*; known executables: /srv/orders, /srv/stock"),
    ],
)
def test_what_is_not_known_is_an_error_that_names_what_is(host: str, which: str, exe: str, message: str) -> None:
    with pytest.raises(NotFoundError) as error:
        known.selected(processes(), host, which, exe)
    assert str(error.value) == message


def test_a_collector_that_knows_nothing_says_that_where_something_is_asked_for() -> None:
    with pytest.raises(NotFoundError, match="known hosts: none"):
        known.selected([], "web-1", "")


def test_of_many_names_ten_are_listed_and_those_that_look_alike_come_first() -> None:
    many = [process_row(host=f"web-{number:02}") for number in range(30)]
    with pytest.raises(NotFoundError, match=r"known hosts: web-29, .*, and 20 more$"):
        known.selected(many, "web29", "")


def test_one_process_is_meant_or_the_candidates_are_named() -> None:
    assert known.the_one(processes(), "web-2", "orders").host == "web-2"
    with pytest.raises(NotFoundError, match=r"orders is not one process: pid 7 on host web-1 .*, pid 7 on host web-2"):
        known.the_one(processes(), "", "orders")


def test_fresh_processes_that_are_counted_leave_no_gap() -> None:
    assert list(known.gaps(processes())) == []
    assert known.has_data(processes())


def test_no_agent_a_stale_agent_and_levels_without_probes_are_gaps() -> None:
    assert list(known.gaps([])) == [known.NONE_KNOWN]
    stale = process_row(host="web-2", stale=True, age_ns=300_000_000_000)
    off, refused = process_row(pid=3, level="off"), process_row(pid=4, level="refused", exe="/srv/old")
    lines = list(known.gaps([stale, off, refused]))
    assert [line.split(":")[0] for line in lines] == [
        "host web-2 has sent nothing for 5 min 0 s (1 process)",
        "level off, without probes",
        "level refused, not watched",
    ]
    assert "3 app" in lines[1]
    assert "4 old" in lines[2]
    assert not known.has_data([stale, off, refused])


def contained() -> list[ProcessRow]:
    """Two of two pods, and one in no container."""
    pods = (("shop", "web-0", "web"), ("shop", "db-0", ""))
    inside = [
        process_row(pid=pid, container=Container("a" * 64, "", namespace, pod, "app", workload))
        for pid, (namespace, pod, workload) in enumerate(pods, 1)
    ]
    return [*inside, process_row(pid=3)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Container(), [1, 2, 3]),
        (Container(namespace="shop"), [1, 2]),
        (Container(pod="db-0"), [2]),
        (Container(namespace="shop", workload="web"), [1]),
    ],
)
def test_processes_are_chosen_by_the_names_of_their_container(wanted: Container, found: list[int]) -> None:
    assert [row.pid for row in known.selected(contained(), "", "", container=wanted)] == found


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Container(namespace="shops"), "no process of a namespace shops is known; known namespaces: shop"),
        (Container(namespace="shop", pod="web-1"), "no process of a pod web-1 is known; known pods: web-0, db-0"),
        (Container(pod="db-0", workload="web"), "no process of a workload web is known; known workloads: none"),
    ],
)
def test_who_asks_for_a_name_that_is_not_known_hears_what_is(wanted: Container, message: str) -> None:
    with pytest.raises(NotFoundError) as raised:
        known.selected(contained(), "", "", container=wanted)
    assert str(raised.value) == message
