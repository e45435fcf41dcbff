"""A profile or a log that is pushed is of a process of this host, unless another one is named."""

import socket
from typing import cast

import pytest
from gosonde.collector_client import CollectorClient, ProcessRow
from gosonde_cli import pushing
from gosonde_common.errors import NotFoundError, UsageError

from tests.unit.cli.commands.rows import process_row

HERE = socket.gethostname()


class Collector:
    """Knows a process of this host, and two of another that have one name."""

    def processes(self) -> list[ProcessRow]:
        others = [process_row(host="web-1", pid=pid, exe="/srv/stock") for pid in (8, 9)]
        return [process_row(host=HERE, pid=7, exe="/srv/orders"), *others]


CLIENT = cast("CollectorClient", Collector())


def test_a_pid_is_of_this_host_or_of_the_one_that_is_named() -> None:
    assert pushing.owner(CLIENT, "", "4711") == (HERE, 4711)
    assert pushing.owner(CLIENT, "web-1", "4711") == ("web-1", 4711)


def test_a_name_is_that_of_a_process_which_the_collector_knows_there() -> None:
    assert pushing.owner(CLIENT, "", "orders") == (HERE, 7)
    with pytest.raises(NotFoundError, match="no process orders of host web-1 is known; known processes: 8 stock"):
        pushing.owner(CLIENT, "web-1", "orders")
    with pytest.raises(NotFoundError, match="stock is not one process: pid 8 on host web-1"):
        pushing.owner(CLIENT, "web-1", "stock")


def test_whose_it_is_must_be_said_once() -> None:
    assert pushing.which_of("", 7) == "7"
    with pytest.raises(UsageError, match="say which process it belongs to, by its id or name"):
        pushing.which_of("", None)
    with pytest.raises(UsageError, match="named twice"):
        pushing.which_of("orders", 7)
    with pytest.raises(UsageError, match="is not a process id"):
        pushing.owner(CLIENT, "", "4294967296")
