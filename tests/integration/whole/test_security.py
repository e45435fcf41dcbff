"""Who may not is refused with the right status and counted, and nobody else feels it."""

import asyncio
import hashlib
import queue
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from gosonde_agent.host.identity import Identity
from gosonde_agent.stream.journal import Journal
from gosonde_agent.stream.uplink import Uplink
from gosonde_common.addresses import ClientTls
from gosonde_common.channels import credentials
from gosonde_pb.v1 import collector_pb2, collector_pb2_grpc, ingest_pb2_grpc, model_pb2

from tests.agent_process import free_port
from tests.certificates import Authority, Certificate
from tests.collector_process import AgentStream, CollectorProcess, metric, observation, open_channel
from tests.flaky_proxy import flaky_proxy
from tests.fuzz.run_grpc import peak_memory
from tests.integration.whole.test_faults import HARM_SECONDS
from tests.simulated import TIMEOUTS, Agent, Query, Target, assert_exact, running, settled

TOKENS = {"read": "a-token-for-reading", "admin": "a-token-for-everything"}
Code = grpc.StatusCode


@dataclass
class Fortress:
    """A collector with everything switched on."""

    folder: Path
    process: CollectorProcess
    authority: Authority
    agents: str
    queries: str
    http: str

    def tls(self, own: Certificate | None) -> ClientTls:
        return ClientTls(self.authority.cert, own.cert if own else None, own.key if own else None)

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric; 0 when it is not there yet."""
        return metric(self.http, name, labels)

    def refused(self, service: str, status: Code) -> float:
        return self.metric("gosonde_collector_refused_total", service=f"gosonde.v1.{service}", status=status.name)


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    folder = tmp_path_factory.mktemp("fortress")
    authority = Authority(folder)
    own = authority.issue("collector")
    lines = [f"{role} {hashlib.sha256(token.encode()).hexdigest()}" for role, token in TOKENS.items()]
    (folder / "tokens").write_text("\n".join(["# who may ask", *lines]) + "\n")
    (folder / "revoked").write_text("")
    agents, queries, http = (f"127.0.0.1:{free_port()}" for _ in range(3))
    config = folder / "collector.toml"
    config.write_text(
        f'query_listen = "{queries}"\nhttp = "{http}"\ntls_cert = "{own.cert}"\ntls_key = "{own.key}"\n'
        f'tls_client_ca = "{authority.cert}"\ntls_revoked = "{folder}/revoked"\ntokens = "{folder}/tokens"\n'
    )
    ready = credentials(ClientTls(authority.cert, own.cert, own.key))
    with CollectorProcess(folder, "--config", str(config), listen=agents, ready=ready) as process:
        yield Fortress(folder, process, authority, agents, queries, http)


def query(at: Fortress, token: str | None, call: Callable[[Any, Any], Any]) -> Code:
    """The status of one call to the query address."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(at.queries, credentials(at.tls(None)), options) as channel:
        stub = collector_pb2_grpc.CollectorServiceStub(channel)
        try:
            call(stub, metadata)
        except grpc.RpcError as error:
            code: Code = error.code()
            return code
    return Code.OK


def listing(stub: Any, metadata: Any) -> None:
    stub.ListProcesses(collector_pb2.ListProcessesRequest(), metadata=metadata, timeout=10)


def pushing(stub: Any, metadata: Any) -> None:
    header = collector_pb2.PushSnapshotRequest(header=collector_pb2.SnapshotHeader(host="h", pid=1))
    stub.PushSnapshot(iter([header]), metadata=metadata, timeout=10)


def taking(stub: Any, metadata: Any) -> None:
    stub.TakeSnapshot(collector_pb2.TakeSnapshotRequest(host="h", pid=1), metadata=metadata, timeout=10)


def stream_to(at: Fortress, own: Certificate | None, host: str, **flags: Any) -> AgentStream:
    return AgentStream(at.agents, host=host, channel_credentials=credentials(at.tls(own)), **flags)


def code_of(call: Callable[[], object]) -> Code:
    with pytest.raises(grpc.RpcError) as refusal:
        call()
    code: Code = refusal.value.code()
    return code


@pytest.mark.parametrize(
    ("token", "call", "code"),
    [
        (None, listing, Code.UNAUTHENTICATED),
        ("wrong", listing, Code.UNAUTHENTICATED),
        (TOKENS["read"], listing, Code.OK),
        (TOKENS["read"], pushing, Code.PERMISSION_DENIED),
        (TOKENS["read"], taking, Code.PERMISSION_DENIED),
        (TOKENS["admin"], taking, Code.NOT_FOUND),
        (TOKENS["admin"], listing, Code.OK),
        (TOKENS["admin"], pushing, Code.INVALID_ARGUMENT),
    ],
)
def test_a_token_gives_its_role_and_no_more(fortress: Fortress, token: str | None, call: Any, code: Code) -> None:
    before = fortress.refused("CollectorService", code)
    assert query(fortress, token, call) is code
    assert fortress.refused("CollectorService", code) == before + (code is not Code.OK)


def test_a_token_that_is_taken_away_is_refused_without_a_restart(fortress: Fortress) -> None:
    tokens = fortress.folder / "tokens"
    whole = tokens.read_text()
    tokens.write_text("\n".join(line for line in whole.splitlines() if not line.startswith("read")))
    assert query(fortress, TOKENS["read"], listing) is Code.UNAUTHENTICATED
    tokens.write_text("nonsense\n")
    assert query(fortress, TOKENS["admin"], listing) is Code.OK, "a file that is wrong leaves what was"
    tokens.write_text(whole)
    assert query(fortress, TOKENS["read"], listing) is Code.OK


def test_an_agent_speaks_for_the_host_of_its_certificate_alone(fortress: Fortress) -> None:
    own = fortress.authority.issue("web-1")
    before = fortress.refused("IngestService", Code.PERMISSION_DENIED)
    with stream_to(fortress, own, "web-1") as stream:
        assert stream.observe(1, observation([(1, 5, 2)])) == 1
    assert code_of(lambda: stream_to(fortress, own, "web-2")) is Code.PERMISSION_DENIED
    assert fortress.refused("IngestService", Code.PERMISSION_DENIED) == before + 1


@pytest.mark.parametrize(
    ("host", "is_below"),
    [
        ("node-7.prod", True),
        ("ip-10-0-0-7.internal.prod", True),
        (".prod", False),
        ("prod", False),
        ("node-7.prod.x", False),
    ],
)
def test_a_certificate_for_a_cluster_speaks_for_its_nodes_alone(fortress: Fortress, host: str, is_below: bool) -> None:
    own = fortress.authority.issue("*.prod", file="cluster")
    if is_below:
        with stream_to(fortress, own, host) as stream:
            assert stream.observe(1, observation([(1, 5, 2)])) == 1
    else:
        assert code_of(lambda: stream_to(fortress, own, host)) is Code.PERMISSION_DENIED


def test_an_agent_without_a_certificate_is_refused_on_both_addresses(fortress: Fortress) -> None:
    assert code_of(lambda: stream_to(fortress, None, "web-1")) is Code.UNAVAILABLE, "the handshake fails"
    tls = credentials(fortress.tls(None))
    before = fortress.refused("IngestService", Code.UNAUTHENTICATED)
    refusal = code_of(lambda: AgentStream(fortress.queries, host="web-1", channel_credentials=tls))
    assert refusal is Code.UNAUTHENTICATED
    assert fortress.refused("IngestService", Code.UNAUTHENTICATED) == before + 1


def test_expired_and_foreign_certificates_do_not_pass_the_handshake(fortress: Fortress, tmp_path: Path) -> None:
    before = fortress.metric("gosonde_collector_tls_handshakes_total")
    expired = fortress.authority.issue("web-1", days=-1, file="expired")
    foreign = Authority(tmp_path, "other").issue("web-1")
    for own in (expired, foreign):
        assert code_of(lambda own=own: stream_to(fortress, own, "web-1")) is Code.UNAVAILABLE  # type: ignore[misc]
    assert fortress.metric("gosonde_collector_tls_handshakes_total") >= before + 2


def test_a_certificate_that_is_revoked_ends_even_the_open_stream(fortress: Fortress) -> None:
    own, other = fortress.authority.issue("web-3"), fortress.authority.issue("web-4")
    with stream_to(fortress, own, "web-3") as stream, stream_to(fortress, other, "web-4") as bystander:
        assert stream.observe(1, observation([(1, 1, 0)])) == 1
        before = fortress.refused("IngestService", Code.UNAUTHENTICATED)
        (fortress.folder / "revoked").write_text(f"{own.fingerprint()}  web-3\n")
        assert code_of(lambda: stream.observe(2, observation([(1, 2, 0)]))) is Code.UNAUTHENTICATED
        assert bystander.observe(1, observation([(1, 1, 0)])) == 1
    assert code_of(lambda: stream_to(fortress, own, "web-3")) is Code.UNAUTHENTICATED
    assert fortress.refused("IngestService", Code.UNAUTHENTICATED) == before + 2
    (fortress.folder / "revoked").write_text("")


def test_the_collectors_certificate_is_replaced_without_a_restart(fortress: Fortress) -> None:
    def serial() -> str:
        with grpc.secure_channel(
            fortress.queries, credentials(fortress.tls(None)), [("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            grpc.channel_ready_future(channel).result(timeout=10)
        import ssl  # noqa: PLC0415

        host, port = fortress.queries.split(":")
        return ssl.get_server_certificate((host, int(port)))

    before = serial()
    fortress.authority.issue("collector")
    assert serial() != before


def test_an_agent_uses_the_certificate_that_lies_there_at_each_connection(fortress: Fortress, tmp_path: Path) -> None:
    """The first certificate is for another host; the agent gets in once the right one is there."""
    wrong = fortress.authority.issue("web-8", file="web-9")
    uplink = Uplink(
        [fortress.agents],
        Identity("9" * 32, "e" * 32, "web-9", "boot"),
        0.05,
        Journal("boot", tmp_path / "spool.db"),
        tls=fortress.tls(wrong),
        timeouts=TIMEOUTS,
    )

    async def scenario() -> None:
        task = asyncio.create_task(uplink.run())
        async with asyncio.timeout(30):
            while "web-8" not in uplink.status().error:
                await asyncio.sleep(0.05)
            fortress.authority.issue("web-9")
            while not uplink.status().connected:
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait({task})
        await uplink.close()

    asyncio.run(scenario())


def test_a_batch_that_is_too_large_or_malformed_is_refused_and_counted(fortress: Fortress) -> None:
    own = fortress.authority.issue("web-1")
    large = observation([(1, 1, 0)])
    large.processes[0].exe = "x" * (4 << 20)
    with stream_to(fortress, own, "web-1") as bystander:
        for harm, code in ((large, Code.RESOURCE_EXHAUSTED), (model_pb2.Observation(), Code.INVALID_ARGUMENT)):
            before = fortress.refused("IngestService", code)
            with stream_to(fortress, own, "web-1", epoch="2") as stream:
                assert code_of(lambda s=stream, h=harm: s.observe(1, h)) is code  # type: ignore[misc]
            assert fortress.refused("IngestService", code) == before + 1
        assert bystander.observe(1000, observation([(1, 6, 2)])) == 1000


def test_an_agent_has_only_so_many_streams(fortress: Fortress) -> None:
    own = fortress.authority.issue("web-5")
    streams = []
    try:
        streams = [stream_to(fortress, own, "web-5") for _ in range(8)]
        before = fortress.refused("IngestService", Code.RESOURCE_EXHAUSTED)
        assert code_of(lambda: stream_to(fortress, own, "web-5")) is Code.RESOURCE_EXHAUSTED
        assert fortress.refused("IngestService", Code.RESOURCE_EXHAUSTED) == before + 1
    finally:
        for stream in streams:
            stream.__exit__()


def test_only_so_many_agents_are_let_in_and_a_place_that_is_free_again_is_given(tmp_path: Path) -> None:
    http = f"127.0.0.1:{free_port()}"
    config = tmp_path / "collector.toml"
    config.write_text("max_agents = 2\n")
    with CollectorProcess(tmp_path, "--config", str(config), "--http", http) as collector:

        def stream(number: int) -> AgentStream:
            return AgentStream(collector.address, agent_id=f"agent-{number}", host=f"host-{number}")

        with stream(1) as first:
            with stream(2):
                assert code_of(lambda: stream(3)) is Code.RESOURCE_EXHAUSTED
                assert first.observe(1, observation([(1, 1, 0)])) == 1
            with eventually_open(lambda: stream(3)) as third:
                assert third.observe(1, observation([(1, 1, 0)])) == 1
            assert first.observe(2, observation([(1, 2, 0)])) == 2
        labels = {"service": "gosonde.v1.IngestService", "status": "RESOURCE_EXHAUSTED"}
        assert metric(http, "gosonde_collector_refused_total", labels) >= 1


def eventually_open(stream: Callable[[], AgentStream]) -> AgentStream:
    """A stream, as soon as the collector has seen that another one ended."""
    for _ in range(200):
        with suppress(grpc.RpcError):
            return stream()
        time.sleep(0.05)
    raise AssertionError("the stream is refused for good")


def test_who_asks_too_often_is_told_so(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path, listen=f"127.0.0.1:{free_port()}") as collector:
        with grpc.insecure_channel(collector.address) as channel:
            stub = collector_pb2_grpc.CollectorServiceStub(channel)

            def ask(_: int) -> Code:
                call = stub.ListFindings.future(collector_pb2.ListFindingsRequest(), timeout=30)
                code: Code = call.code()
                return code

            with ThreadPoolExecutor(16) as threads:
                codes = set(threads.map(ask, range(1000)))
        assert codes == {Code.OK, Code.RESOURCE_EXHAUSTED}


def test_half_open_and_garbled_connections_are_not_felt_by_others(fortress: Fortress) -> None:
    rng = random.Random(5)
    host, port = fortress.agents.split(":")
    own = fortress.authority.issue("web-1")
    silent = [socket.create_connection((host, int(port))) for _ in range(50)]
    before = fortress.refused("IngestService", Code.INVALID_ARGUMENT)
    mute = open_channel(fortress.agents, credentials(fortress.tls(own)))
    hello: queue.SimpleQueue[None] = queue.SimpleQueue()
    unsaid = ingest_pb2_grpc.IngestServiceStub(mute).StreamObservations(iter(hello.get, None))
    try:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", rng.randbytes(5000), struct.pack(">I", 0xFFFFFFFF) * 100):
            with socket.create_connection((host, int(port))) as other:
                other.sendall(garbage)
        with stream_to(fortress, own, "web-1", epoch="7") as stream:
            assert stream.observe(1, observation([(1, 1, 0)])) == 1
        assert query(fortress, TOKENS["read"], listing) is Code.OK
        assert code_of(lambda: next(unsaid)) is Code.INVALID_ARGUMENT, "no hello came"
        assert fortress.refused("IngestService", Code.INVALID_ARGUMENT) == before + 1
    finally:
        hello.put(None)
        mute.close()
        for connection in silent:
            connection.close()


def test_a_message_that_inflates_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    """64 MiB of zeros, which travel as 64 KiB."""
    with CollectorProcess(tmp_path) as collector, grpc.insecure_channel(collector.address) as channel:
        memory_before = peak_memory(collector.process.pid)
        call: Any = channel.unary_unary("/gosonde.v1.CollectorService/ListProcesses")
        code = code_of(lambda: call(bytes(64 << 20), timeout=20, compression=grpc.Compression.Gzip))
        assert code is Code.RESOURCE_EXHAUSTED
        assert peak_memory(collector.process.pid) - memory_before < 48 << 20
        with collector.client() as client:
            assert client.processes() == []


async def test_an_encrypted_stream_over_a_network_that_harms_it_loses_nothing(fortress: Fortress) -> None:
    """Pieces are delayed, dropped, duplicated and cut off: TLS notices, and the agent sends again."""
    port = int(fortress.agents.split(":")[1])
    async with flaky_proxy(port) as proxy:
        agents = []
        for number in range(100, 103):
            own = fortress.authority.issue(f"host-{number}")
            targets = [Target(pid, 20) for pid in (1, 2)]
            agents.append(Agent(number, [proxy.address], targets, tls=fortress.tls(own)))
        async with running(agents) as over:
            proxy.harm = 0.05
            await asyncio.sleep(HARM_SECONDS)
            async with asyncio.timeout(60):
                while not all(count > 0 for count in proxy.counts.values()):
                    await asyncio.sleep(0.1)
            proxy.harm = 0.0
            proxy.hang_up()
            over.set()
            await settled(agents)
            tls, metadata = credentials(fortress.tls(None)), [("authorization", f"Bearer {TOKENS['read']}")]
            await assert_exact(Query(fortress.queries, tls, metadata), agents)
        assert all(count > 0 for count in proxy.counts.values())
