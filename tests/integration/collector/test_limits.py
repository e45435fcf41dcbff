"""What somebody without a credential can do to the collector: its memory stays small, and it goes on answering."""

import hashlib
import socket
import statistics
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from gosonde_pb.v1 import ingest_pb2, model_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.agent_process import free_port
from tests.collector_process import PATIENCE_S, AgentStream, CollectorProcess, metric, observation
from tests.http2 import Connection
from tests.service_manager import LONGEST_SILENCE_SECONDS, ServiceManager

MIB = 1 << 20
#: What the collector may have held at any time.
MOST_BYTES = 500 * MIB
#: The median of the health checks during an attack takes less.
HEALTH_SECONDS = 1.0
#: The median of the scrapes takes less, on a machine that does something else too.
SCRAPE_SECONDS = 1.0
QUERY = "/gosonde.v1.CollectorService/ListProcesses"
UPLOAD = "/gosonde.v1.CollectorService/PushGcTrace"
INGEST = "/gosonde.v1.IngestService/StreamObservations"
HEALTH = "/grpc.health.v1.Health/Check"
#: Of a request that the server lets in, if only just.
LARGEST = 4 * MIB


def framed(message: bytes, size: int = 0, *, is_compressed: bool = False) -> bytes:
    """A message as gRPC sends it, or the beginning of one that claims to be longer."""
    return struct.pack(">BI", is_compressed, size or len(message)) + message


def unfinished() -> bytes:
    """All but the last byte of the largest request."""
    return framed(bytes(LARGEST - 1), LARGEST)


def hello(number: int) -> bytes:
    said = ingest_pb2.Hello(agent_id=f"a{number}", agent_epoch="e", host=f"h{number}")
    return framed(ingest_pb2.StreamObservationsRequest(hello=said).SerializeToString())


def gzipped(data: bytes) -> bytes:
    return zlib.compress(data, 9, 31)


def nested(field: int, data: bytes) -> bytes:
    length, size = b"", len(data)
    while size >= 128:
        length, size = length + bytes([size % 128 + 128]), size // 128
    return bytes([field << 3 | 2]) + length + bytes([size]) + data


def empty_processes() -> bytes:
    """A batch of nothing but processes of two bytes each, as large as a batch may be."""
    batch = ingest_pb2.StreamObservationsRequest.DESCRIPTOR.fields_by_name["batch"].number
    seen = ingest_pb2.Batch.DESCRIPTOR.fields_by_name["observation"].number
    processes = model_pb2.Observation.DESCRIPTOR.fields_by_name["processes"].number
    return nested(batch, nested(seen, bytes([processes << 3 | 2, 0]) * (LARGEST // 2 - 16)))


class Attacked:
    """A collector whose health is asked for all the time."""

    def __init__(self, collector: CollectorProcess, http: str, manager: ServiceManager) -> None:
        self.collector = collector
        self.manager = manager
        self.http = http
        self.seconds: list[float] = []
        self._over = threading.Event()
        self._asking = threading.Thread(target=self._ask)
        self._own = ExitStack()

    @contextmanager
    def attacked(self) -> Iterator[None]:
        """Around an attack: holds the collector to what is promised."""
        self._asking.start()
        began = time.monotonic()
        with self._own:
            try:
                yield
            finally:
                self._over.set()
                self._asking.join()
        assert self.collector.process.poll() is None
        print(f"peak {self.peak() // MIB} MiB, health median {statistics.median(self.seconds):.3f} s")  # noqa: T201
        assert self.peak() < MOST_BYTES
        assert self.manager.longest_silence(began) < LONGEST_SILENCE_SECONDS
        assert statistics.median(self.seconds) < HEALTH_SECONDS

    def connect(self, number: int, source: str = "127.0.0.1") -> list[Connection]:
        """Connections that are closed in the end."""
        return [self._own.enter_context(closing(Connection(self.collector.address, source))) for _ in range(number)]

    def peak(self) -> int:
        status = Path(f"/proc/{self.collector.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10

    def closed(self, reason: str) -> float:
        return metric(self.http, "gosonde_collector_connections_closed_total", {"reason": reason})

    def _ask(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            # A connection of its own, as a prober has.
            with grpc.insecure_channel(self.collector.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
            self.seconds.append(time.monotonic() - began)
            self._over.wait(0.1)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Attacked]:
    """With tokens, so that whoever asks needs one, and agents do not."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"admin {hashlib.sha256(b'secret').hexdigest()} x\n")
    http = f"127.0.0.1:{free_port()}"
    config = tmp_path / "collector.toml"
    config.write_text(f'tokens = "{tokens}"\nmax_connections_per_peer = 40\nhttp = "{http}"\n')
    address = f"127.0.0.1:{free_port()}"
    with (
        ServiceManager(tmp_path) as manager,
        CollectorProcess(
            tmp_path, "--config", str(config), listen=address, environment=manager.environment
        ) as collector,
    ):
        yield Attacked(collector, http, manager)


def press(connections: list[Connection], until: Callable[[], bool], idle_seconds: float = 2.0) -> None:
    """Sends until the condition holds, or nothing more is let in for a while."""
    last = time.monotonic()
    while not until() and time.monotonic() - last < idle_seconds:
        if sum(connection.pump() for connection in connections if not connection.is_closed):
            last = time.monotonic()
        else:
            time.sleep(0.002)


def never() -> bool:
    return False


@pytest.mark.parametrize("path", [QUERY, UPLOAD, INGEST, HEALTH])
def test_requests_that_are_never_finished_take_little_memory(target: Attacked, path: str) -> None:
    with target.attacked():
        connections = target.connect(3)
        for connection in connections:
            for _ in range(128):
                connection.call(path, unfinished())
        press(connections, never)


def test_agents_that_never_finish_their_batches_take_little_memory(target: Attacked) -> None:
    with target.attacked():
        connections = target.connect(30)
        for number, connection in enumerate(connections):
            for call in range(5):
                connection.call(INGEST, hello(5 * number + call) + unfinished())
        press(connections, lambda: all(connection.is_closed for connection in connections))
        assert target.closed("memory")


@pytest.mark.parametrize("said", [b"", hello(1)])
def test_small_gzip_that_becomes_millions_of_elements_is_not_decoded(target: Attacked, said: bytes) -> None:
    body = said + framed(gzipped(empty_processes()), is_compressed=True)
    with target.attacked():
        connections = target.connect(3)
        for connection in connections:
            for _ in range(30):
                connection.call(INGEST, body, is_compressed=True)
        press(connections, lambda: sum(len(connection.answered) for connection in connections) == 90, PATIENCE_S)
        assert sum(len(connection.answered) for connection in connections) == 90


@pytest.mark.parametrize("path", [QUERY, INGEST, HEALTH])
def test_gzip_that_inflates_without_end_is_not_inflated(target: Attacked, path: str) -> None:
    body = framed(gzipped(bytes(1 << 30)), is_compressed=True)
    with target.attacked():
        connections = target.connect(3)
        for connection in connections:
            for _ in range(30):
                connection.call(path, body, is_compressed=True)
        press(connections, lambda: sum(len(connection.answered) for connection in connections) == 90)


def test_of_one_address_only_so_many_connections_stay_open(target: Attacked) -> None:
    with AgentStream(target.collector.address) as agent, target.attacked():
        agent.observe(1, observation([(1, 1, 0)]))
        connections = target.connect(80, "127.0.0.2")
        press(connections, lambda: sum(connection.is_closed for connection in connections) >= 40, PATIENCE_S)
        assert target.closed("connections") >= 40
        assert agent.observe(2, observation([(1, 2, 0)])) == 2


def test_sites_without_number_become_one_row_and_a_scrape_stays_quick(target: Attacked) -> None:
    """800,000 sites of one process; what they created is in the total, as far as the quota of the sum goes."""
    scrapes = []
    with AgentStream(target.collector.address) as agent, target.attacked():
        for number in range(40):
            agent.observe(
                number + 1, observation([(pc, 5, 0) for pc in range(20_000 * number + 1, 20_000 * (number + 1))])
            )
        for _ in range(5):
            began = time.monotonic()
            summed = metric(target.http, "gosonde_collector_beyond_quota_total", {"what": "sites_summed"})
            scrapes.append(time.monotonic() - began)
        left_out = metric(target.http, "gosonde_collector_beyond_quota_total", {"what": "sites_left_out"})
    print(f"scrape median {statistics.median(scrapes):.3f} s")  # noqa: T201
    assert summed == 100_000
    assert left_out == 40 * 19_999 - 19_999 - 100_000
    assert statistics.median(scrapes) < SCRAPE_SECONDS


def test_connections_that_say_nothing_are_closed(target: Attacked) -> None:
    host, port = target.collector.address.split(":")
    with socket.create_connection((host, int(port)), PATIENCE_S) as silent:
        while silent.recv(1 << 16):
            pass


def test_what_an_agent_of_today_sends_compressed_is_taken(target: Attacked) -> None:
    """Of 2 MiB, where agents part their batches, and hardly smaller when compressed."""
    seen = observation([(pc, pc, 0) for pc in range(1, 10_000)])
    for number in range(len(seen.site_names.function)):
        seen.site_names.function[number] = hashlib.sha512(b"%d" % number).hexdigest()
    batch = ingest_pb2.StreamObservationsRequest(batch=ingest_pb2.Batch(sequence=1, observation=seen))
    data = batch.SerializeToString()
    assert MIB < len(data) < 2 * MIB
    with grpc.insecure_channel(target.collector.address) as channel:
        call: Any = channel.stream_stream(INGEST)
        said = [hello(1)[5:], data]
        answers = call(iter(said), timeout=PATIENCE_S, compression=grpc.Compression.Gzip)
        stored = [ingest_pb2.StreamObservationsResponse.FromString(answer) for answer in answers]
    assert [answer.acknowledged_sequence for answer in stored] == [0, 1]
