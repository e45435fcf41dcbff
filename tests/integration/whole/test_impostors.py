"""A collector with a certificate that is not its own, an agent that takes another one's name, batches in any order."""

import asyncio
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from gosonde_agent.host.identity import Identity
from gosonde_agent.stream.journal import Journal
from gosonde_agent.stream.uplink import Uplink
from gosonde_common.addresses import ClientTls
from gosonde_common.channels import credentials

from tests.agent_process import free_port
from tests.certificates import Authority, Certificate
from tests.collector_process import AgentStream, CollectorProcess, observation
from tests.simulated import TIMEOUTS, Query, stored

BATCHES = 30


class Listener(grpc.GenericRpcHandler):
    """Notes which methods were called, and serves none."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        self.called.append(handler_call_details.method)


@contextmanager
def pretending(own: Certificate) -> Iterator[tuple[str, Listener]]:
    """Something that listens as a collector does, and shows a certificate: its address, and what was called there."""
    listener = Listener()
    server = grpc.server(ThreadPoolExecutor(4), [listener])
    shown = grpc.ssl_server_credentials([(own.key.read_bytes(), own.cert.read_bytes())])
    address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', shown)}"
    server.start()
    try:
        yield address, listener
    finally:
        server.stop(None).wait()


def wait_for_error(wanted: str, address: str, authority: Authority, folder: Path) -> None:
    """Has an uplink try until it says that of what failed: gRPC says something of its own now and then."""
    own = authority.issue("web-1")
    tls = ClientTls(authority.cert, own.cert, own.key)
    identity = Identity("9" * 32, "e" * 32, "web-1", "boot")
    uplink = Uplink([address], identity, 0.05, Journal("boot", folder / "spool.db"), tls=tls, timeouts=TIMEOUTS)

    async def scenario() -> None:
        task = asyncio.create_task(uplink.run())
        async with asyncio.timeout(60):
            while wanted not in uplink.status().error:
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait({task})
        await uplink.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("none", "UNIMPLEMENTED"),
        ("expired", "certificate has expired"),
        ("another authority", "unable to get local issuer certificate"),
        ("another host", "Hostname Verification Check failed"),
    ],
)
def test_an_agent_sends_nothing_to_a_collector_with_a_wrong_certificate(tmp_path: Path, fault: str, said: str) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    certificates = {
        "none": lambda: authority.issue("collector"),
        "expired": lambda: authority.issue("collector", days=-1),
        "another authority": lambda: Authority(tmp_path / "other").issue("collector"),
        "another host": lambda: authority.issue("web-2"),
    }
    with pretending(certificates[fault]()) as (address, listener):
        wait_for_error(said, address, authority, tmp_path)
    assert bool(listener.called) is (fault == "none")


def test_batches_that_are_repeated_and_in_any_order_leave_the_newest_totals(tmp_path: Path) -> None:
    rng = random.Random(10)
    acknowledged = 0
    sequences = [*range(1, BATCHES + 1), *rng.sample(range(1, BATCHES + 1), BATCHES // 2)]
    rng.shuffle(sequences)
    while sequences:
        with CollectorProcess(tmp_path) as collector:
            for _ in range(3):
                with AgentStream(collector.address) as stream:
                    assert stream.acknowledged == acknowledged
                    for sequence in sequences[:5]:
                        answer = stream.observe(sequence, observation([(1, 5 * sequence, 2 * sequence)]))
                        acknowledged = max(acknowledged, sequence)
                        assert answer == acknowledged
                    del sequences[:5]
            (total,) = asyncio.run(stored(Query(collector.address), all_runs=True)).values()
            assert total == (5 * acknowledged, 2 * acknowledged)
            collector.stop(signal.SIGKILL)
    assert acknowledged == BATCHES


def test_an_agent_that_takes_anothers_name_changes_nothing_of_the_others(tmp_path: Path) -> None:
    """It has a certificate of its own host, and the id, the epoch and the process of the other agent."""
    authority = Authority(tmp_path)
    server, web_1, web_2 = (authority.issue(name) for name in ("collector", "web-1", "web-2"))
    config = tmp_path / "collector.toml"
    config.write_text(f'tls_cert = "{server.cert}"\ntls_key = "{server.key}"\ntls_client_ca = "{authority.cert}"\n')

    def shown(own: Certificate) -> grpc.ChannelCredentials:
        return credentials(ClientTls(authority.cert, own.cert, own.key))

    address = f"127.0.0.1:{free_port()}"
    with CollectorProcess(tmp_path, "--config", str(config), listen=address, ready=shown(server)):
        with AgentStream(address, host="web-1", channel_credentials=shown(web_1)) as rightful:
            rightful.observe(1, observation([(1, 5, 2)]))
            with AgentStream(address, host="web-2", channel_credentials=shown(web_2)) as thief:
                assert thief.acknowledged == 0
                thief.observe(9, observation([(1, 1_000, 0)]))
            assert rightful.observe(2, observation([(1, 6, 3)])) == 2
        with AgentStream(address, host="web-1", channel_credentials=shown(web_1)) as rightful:
            assert rightful.acknowledged == 2
        sums = asyncio.run(stored(Query(address, shown(server)), all_runs=True))
    assert sums == {("web-1", 4711, 1): (6, 3), ("web-2", 4711, 1): (1_000, 0)}
