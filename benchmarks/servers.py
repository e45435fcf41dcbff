"""Servers on one CPU, and the load on them from another: two of our own, and some that nobody here wrote."""

import base64
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import quiet
from tests import real_binaries
from tests.go_programs import GoProgram, build

SERVER_CPU, CLIENT_CPU = 1, 0
CONNECTIONS = 16
#: Of what a server answers at most: the rate at which calls come, however it fares.
PACED_SHARE = 0.7
WARM_UP_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs, and the arguments that make the load say what it understands."""

    pid: int
    port: int
    dialect: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """What a short stretch of load showed.

    Attributes:
        rate: Requests a second at saturation.
        cpu_us: The server's CPU time per request at saturation.
        p99_us: At saturation.
        paced_p99_us: At PACED_SHARE of saturation, each from when it was due to be sent; NaN where it was not measured.
        requests: At saturation.
        used: The part of its CPU that the server used at saturation.
        stolen: The part of its CPU that the hypervisor gave to others.
        client_idle: The part of the load's CPU that nobody used at saturation.
    """

    rate: float
    cpu_us: float
    p99_us: float
    paced_p99_us: float
    requests: int
    used: float
    stolen: float
    client_idle: float


class Load:
    """The load on one server, over connections that stay. The server is warm when this is made."""

    def __init__(self, client: GoProgram, server: Server) -> None:
        self._client = client
        self.server = server
        warm = [self.saturate(WARM_UP_SECONDS) for _ in range(3)]
        self.interval_ns = round(1e9 / PACED_SHARE / sorted(warm)[1])

    def saturate(self, seconds: float) -> float:
        """Requests a second when every connection asks again as soon as it is answered."""
        return self.during(lambda: None, seconds)

    def during(self, act: Callable[[], object], seconds: float) -> float:
        """The same, while something is done."""
        self._client.send(f"load {round(seconds * 1000)} 0")
        act()
        answer = self._client.answer()
        return float(answer["requests"] / answer["elapsed_ns"] * 1e9)

    def slice(self, seconds: float, *, paced: bool) -> Slice:
        """So many seconds at saturation, and then as many at the pace."""
        ran, (stolen, _), (_, idle) = self._spent()
        full = self._client.ask(f"load {round(seconds * 1000)} 0")
        ran_after, (stolen_after, _), (_, idle_after) = self._spent()
        elapsed = full["elapsed_ns"]
        return Slice(
            rate=full["requests"] / elapsed * 1e9,
            cpu_us=(ran_after - ran) / full["requests"] / 1e3,
            p99_us=full["p99_ns"] / 1e3,
            paced_p99_us=self._paced_p99_us(seconds) if paced else math.nan,
            requests=full["requests"],
            used=(ran_after - ran) / elapsed,
            stolen=(stolen_after - stolen) / elapsed * 1e9,
            client_idle=(idle_after - idle) / elapsed * 1e9,
        )

    def _paced_p99_us(self, seconds: float) -> float:
        return float(self._client.ask(f"load {round(seconds * 1000)} {self.interval_ns}")["p99_ns"] / 1e3)

    def _spent(self) -> tuple[int, tuple[float, float], tuple[float, float]]:
        return quiet.ran_ns(self.server.pid), quiet.cpu_seconds(SERVER_CPU), quiet.cpu_seconds(CLIENT_CPU)


@contextmanager
def loaded(serve: Callable[[], AbstractContextManager[Server]]) -> Iterator[Load]:
    """A server on one CPU, and the load on it from another: it stands for other hosts, so it never waits for a CPU."""
    with ExitStack() as stack:
        with quiet.on_cpus({SERVER_CPU}):
            server = stack.enter_context(serve())
        with quiet.on_cpus({CLIENT_CPU}), quiet.first():
            arguments = ("load", str(server.port), str(CONNECTIONS), *server.dialect)
            client = stack.enter_context(GoProgram(build("requests"), *arguments))
        yield Load(client, server)


@contextmanager
def http(items: int = 8, goroutines: int = 0) -> Iterator[Server]:
    """net/http: so many items of JSON in each answer, made by so many goroutines (0: by the connection's)."""
    with GoProgram(build("requests"), "http") as program:
        yield Server(program.pid, program.ready["port"], ("http", "GET", f"/{items}/{goroutines}", ""))


@contextmanager
def streams(kind: str = "streams") -> Iterator[Server]:
    """Calls that share connections, a goroutine for each, as in gRPC; the answer is that of `http`.

    Those of the kind "calls" have an eighth of that answer, which a second goroutine makes.
    """
    with GoProgram(build("requests"), kind) as program:
        yield Server(program.pid, program.ready["port"], ("streams",))


@contextmanager
def prometheus() -> Iterator[Server]:
    """Debian's prometheus, asked whether it is healthy."""
    port = real_binaries.free_port()
    with tempfile.TemporaryDirectory(prefix="gosonde-bench.") as folder:
        (Path(folder) / "prometheus.yml").touch()
        command = [str(real_binaries.prometheus()), "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
        command.append(f"--web.listen-address=127.0.0.1:{port}")
        with real_binaries.running(command, port, Path(folder)) as pid:
            yield Server(pid, port, ("http", "GET", "/-/healthy", ""))


@contextmanager
def etcd() -> Iterator[Server]:
    """Debian's etcd, asked for a key over its gateway from HTTP to gRPC."""
    port = real_binaries.free_port()
    client, peer = (f"http://127.0.0.1:{number}" for number in (port, real_binaries.free_port()))
    command = [str(real_binaries.etcd()), "--data-dir=data", f"--listen-client-urls={client}"]
    command += [f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"]
    command += [f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"]
    key, value = (base64.b64encode(word).decode() for word in (b"key", b"value"))
    with (
        tempfile.TemporaryDirectory(prefix="gosonde-bench.") as folder,
        real_binaries.running(command, port, Path(folder)) as pid,
        real_binaries.Http(port) as asking,
    ):
        asking.post("/v3/kv/put", json.dumps({"key": key, "value": value}))
        yield Server(pid, port, ("http", "POST", "/v3/kv/range", json.dumps({"key": key})))
