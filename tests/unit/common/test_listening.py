"""An address that cannot be listened on is refused with the reason that the kernel gives."""

import socket

import pytest
from gosonde_common.errors import UnavailableError
from gosonde_common.listening import check_free


def test_a_port_in_use_is_said_to_be_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            UnavailableError, match=f"listen: cannot listen on 127.0.0.1:{port}: another program listens there"
        ):
            check_free(f"127.0.0.1:{port}", "listen")


def test_an_address_of_another_host_is_not_said_to_be_in_use() -> None:
    with pytest.raises(UnavailableError, match="this host has no such address"):
        check_free("192.0.2.1:9317", "listen")


def test_a_name_that_does_not_resolve_is_not_said_to_be_in_use() -> None:
    with pytest.raises(UnavailableError, match=r"listen: cannot listen on no-such-host\.invalid:1: ") as refusal:
        check_free("no-such-host.invalid:1", "listen")
    assert "another program" not in str(refusal.value)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "localhost:0", "unix:/nonexistent/x.sock"])
def test_what_is_free_is_not_refused(address: str) -> None:
    check_free(address, "listen")
