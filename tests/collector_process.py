"""A collector that really runs, and agents made of nothing but a gRPC stream."""

import queue
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from gosonde.collector_client import CollectorClient
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc, ingest_pb2, ingest_pb2_grpc, model_pb2

GOSONDE = Path(sys.executable).with_name("gosonde")
SECOND = 1_000_000_000
#: Also in an emulated machine on a busy host, where importing alone takes minutes.
PATIENCE_S = 240.0
#: How long a stream may be open.
STREAM_S = 600.0


def open_channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    """A connection that is not shared with any other channel."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    if credentials:
        return grpc.secure_channel(address, credentials, options)
    return grpc.insecure_channel(address, options)


class CollectorProcess:
    """`gosonde collector` on a unix socket, ready when the constructor returns."""

    def __init__(
        self,
        folder: Path,
        *flags: str,
        listen: str = "",
        ready: grpc.ChannelCredentials | None = None,
        program: Sequence[str | Path] = (GOSONDE,),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.address = listen or f"unix:{folder}/collector.sock"
        self.log = folder / "collector.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*program, "collector", "--data", folder / "data", "--listen", self.address, *flags],
                stderr=log,
                env=environment,
            )
        with open_channel(self.address, ready) as channel:
            grpc.channel_ready_future(channel).result(timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, number: signal.Signals) -> int:
        """Sends the signal and returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_S)

    def client(self) -> CollectorClient:
        """To be used in a `with` statement."""
        return CollectorClient(self.address)


def metric(http: str, name: str, labels: Mapping[str, str]) -> float:
    """The value of a metric; 0 when it is not there yet."""
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    wanted = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    found = re.search(rf"^{name}{re.escape('{' + wanted + '}') if wanted else ''} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def totals_of_all_runs(address: str) -> dict[str, list[int]]:
    """[created, exited] by pid: the sums over all sites and all runs of agents."""
    request = collector_pb2.ListSitesRequest(filter=collector_pb2.ProcessFilter(all_runs=True))
    with open_channel(address, None) as channel:
        rows = collector_pb2_grpc.CollectorServiceStub(channel).ListSites(request, timeout=PATIENCE_S).rows
    sums: dict[str, list[int]] = {}
    for row in rows:
        created, exited = sums.get(str(row.process.pid), (0, 0))
        sums[str(row.process.pid)] = [created + row.created, exited + row.exited]
    return sums


class AgentStream:
    """One open stream to a collector; every call waits for the answer."""

    def __init__(
        self,
        address: str,
        agent_id: str = "agent",
        epoch: str = "1",
        host: str = "web-1",
        channel_credentials: grpc.ChannelCredentials | None = None,
        *,
        snapshot_kinds: Sequence[model_pb2.SnapshotKind.ValueType] = (),
    ) -> None:
        self._channel = open_channel(address, channel_credentials)
        self._requests: queue.SimpleQueue[ingest_pb2.StreamObservationsRequest | None] = queue.SimpleQueue()
        stub = ingest_pb2_grpc.IngestServiceStub(self._channel)
        self._answers = stub.StreamObservations(iter(self._requests.get, None), timeout=STREAM_S)
        hello = ingest_pb2.Hello(
            agent_id=agent_id, agent_epoch=epoch, host=host, agent_version="0", snapshot_kinds=snapshot_kinds
        )
        self.acknowledged = self.send(ingest_pb2.StreamObservationsRequest(hello=hello))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.put(None)
        self._channel.close()

    def send(self, request: ingest_pb2.StreamObservationsRequest) -> int:
        """The acknowledged sequence of the answer; raises grpc.RpcError when the collector refuses."""
        self._requests.put(request)
        return next(self._answers).acknowledged_sequence

    def observe(self, sequence: int, observation: model_pb2.Observation) -> int:
        """Sends a batch."""
        batch = ingest_pb2.Batch(sequence=sequence, observation=observation)
        return self.send(ingest_pb2.StreamObservationsRequest(batch=batch))

    def asked(self) -> ingest_pb2.SnapshotRequest:
        """Waits for a request for a snapshot."""
        return next(self._answers).snapshot_request

    def answer(self, piece: ingest_pb2.SnapshotPiece) -> None:
        """Sends a piece of a snapshot, which nobody answers."""
        self._requests.put(ingest_pb2.StreamObservationsRequest(snapshot_piece=piece))


def observation(
    counts: Sequence[tuple[int, int, int]], *, taken_unix_nano: int = 0, pid: int = 4711, started_s_ago: float = 60
) -> model_pb2.Observation:
    """One process with a site for each (pc, created, exited): main.site_PC in main.go, line PC."""
    now = time.time_ns()
    started = now - int(started_s_ago * SECOND)
    seen = model_pb2.Observation(taken_unix_nano=taken_unix_nano or now)
    key = model_pb2.ProcessKey(boot_id="boot", pid=pid, start_ticks=pid)
    seen.processes.add(
        key=key,
        exe="/srv/app",
        go_version="go1.24.11",
        build_id="build",
        started_unix_nano=started,
        counted_since_unix_nano=started,
        counted_from_start=True,
        level=model_pb2.LEVEL_FULL,
    )
    for pc, created, exited in counts:
        seen.site_names.build_id.append("build")
        seen.site_names.pc.append(pc)
        seen.site_names.function.append(f"main.site_{pc}")
        seen.site_names.file.append("main.go")
        seen.site_names.line.append(pc)
        seen.site_names.start_function.append(f"main.site_{pc}.func1")
        seen.site_counters.process.append(0)
        seen.site_counters.pc.append(pc)
        seen.site_counters.created.append(created)
        seen.site_counters.exited.append(exited)
    return seen


def leak(seconds: int, per_second: int, pc: int = 42) -> Iterator[model_pb2.Observation]:
    """What an agent would have sent in the last seconds: one site leaks, another one churns."""
    now = time.time_ns()
    for second in range(1, seconds + 1):
        taken = now - (seconds - second) * SECOND
        counts = [(pc, per_second * second, 0), (7, 1_000 * second, 1_000 * second - 3)]
        seen = observation(counts, taken_unix_nano=taken)
        # However long the sending takes, the process began once.
        seen.processes[0].started_unix_nano = seen.processes[0].counted_since_unix_nano = now - seconds * SECOND
        yield seen


def eventually(ask: CollectorClient, state: str, live: int | None = None) -> bool:
    """Waits until some finding is in the state, with that many live goroutines if a number is given."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if any(finding.state == state and live in (None, finding.live) for finding in ask.findings()):
            return True
        time.sleep(0.2)
    return False
