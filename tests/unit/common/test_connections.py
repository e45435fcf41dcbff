import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from gosonde_common.connections import REST_BYTES, UNFINISHED_BYTES, WHOLE_SECONDS, Connections
from gosonde_common.errors import OverloadedError
from gosonde_common.tcp_sockets import parse_peer

NOW = 1_000.0
PATIENCE_S = 30.0
MIB = 1 << 20


class Server:
    """Takes connections to itself, and reads what comes as gRPC does."""

    def __init__(self, own: ExitStack, most_per_peer: int = 3) -> None:
        self._own = own
        self.reasons: list[str] = []
        self._listener = own.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.connections = Connections(most_per_peer, self.reasons.append)
        self.connections.ports.add(self._listener.getsockname()[1])

    def connect(self) -> tuple[socket.socket, Callable[[int], None]]:
        """The client's end, and what has it send so many bytes."""
        client = self._own.enter_context(socket.create_connection(self._listener.getsockname(), PATIENCE_S))
        accepted = self._own.enter_context(self._listener.accept()[0])

        def send(size: int) -> None:
            while size:
                sent = client.send(bytes(min(size, MIB)))
                accepted.recv(sent, socket.MSG_WAITALL)
                size -= sent

        return client, send


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as own:
        yield Server(own)


def peer(client: socket.socket) -> str:
    return "ipv4:{}:{}".format(*client.getsockname())


def is_closed(client: socket.socket) -> bool:
    client.settimeout(0.2)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False


@contextmanager
def call(server: Server, client: socket.socket) -> Iterator[None]:
    with server.connections.call(peer(client)):
        yield


def test_of_too_many_connections_the_newest_are_closed(server: Server) -> None:
    clients = []
    for _ in range(5):
        clients.append(server.connect()[0])
        if len(clients) == 3:
            server.connections.look(NOW)
    server.connections.look(NOW)
    assert [is_closed(client) for client in clients] == [False, False, False, True, True]
    assert server.reasons == ["connections"] * 2


def test_a_request_that_is_not_whole_in_time_ends_its_connection(server: Server) -> None:
    client, send = server.connect()
    with call(server, client):
        server.connections.look(NOW)
        send(REST_BYTES + 1)
        server.connections.look(NOW + 1)
        server.connections.look(NOW + WHOLE_SECONDS)
        assert not is_closed(client)
        server.connections.look(NOW + 1 + 2 * WHOLE_SECONDS)
        assert is_closed(client)
    assert server.reasons == ["unfinished"]


def test_a_request_that_became_whole_counts_no_more(server: Server) -> None:
    client, send = server.connect()
    with call(server, client):
        server.connections.look(NOW)
        send(MIB)
        server.connections.delivered(peer(client), MIB)
        server.connections.look(NOW + WHOLE_SECONDS)
        server.connections.look(NOW + 3 * WHOLE_SECONDS)
        assert not is_closed(client)


def test_requests_that_become_whole_do_not_hide_one_that_does_not(server: Server) -> None:
    client, send = server.connect()
    with call(server, client), call(server, client):
        server.connections.look(NOW)
        send(2 * MIB)
        server.connections.look(NOW + 1)
        server.connections.delivered(peer(client), MIB)
        server.connections.look(NOW + 2 + WHOLE_SECONDS)
        assert is_closed(client)


def test_what_was_refused_waits_no_more(server: Server) -> None:
    client, send = server.connect()
    with call(server, client):
        server.connections.look(NOW)
        send(MIB)
    server.connections.look(NOW + 1)
    server.connections.look(NOW + 3 * WHOLE_SECONDS)
    assert not is_closed(client)


def test_when_unfinished_requests_fill_the_memory_the_largest_go(server: Server) -> None:
    (large, send), (small, send_little) = server.connect(), server.connect()
    with call(server, large), call(server, small):
        server.connections.look(NOW)
        send(UNFINISHED_BYTES)
        send_little(MIB)
        server.connections.look(NOW + 1)
        assert (is_closed(large), is_closed(small)) == (True, False)
    assert server.reasons == ["memory"]


def test_an_address_has_only_so_many_open_calls() -> None:
    connections = Connections(most_per_peer=1)
    with ExitStack() as open_calls:
        for port in range(4):
            open_calls.enter_context(connections.call(f"ipv4:10.0.0.1:{port}"))
        with pytest.raises(OverloadedError, match=r"10\.0\.0\.1"), connections.call("ipv4:10.0.0.1:9"):
            pass
        with connections.call("ipv4:10.0.0.2:1"), connections.call("unix:"):
            pass
    with connections.call("ipv4:10.0.0.1:9"):
        pass


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ipv4:10.0.0.1:5", ("10.0.0.1", 5)),
        ("ipv6:%5B::1%5D:5", ("::1", 5)),
        ("ipv6:%5B::ffff:10.0.0.1%5D:5", ("10.0.0.1", 5)),
        ("unix:/run/x", None),
        ("unix:", None),
    ],
)
def test_peers_are_named_as_grpc_names_them(name: str, found: tuple[str, int] | None) -> None:
    assert parse_peer(name) == found
