"""A collector whose disk is full, whose store is too large, or that is backed up."""

import asyncio
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import FILE_NAME, open_store
from gosonde_pb.v1.collector_pb2 import BackupRequest
from gosonde_pb.v1.collector_pb2_grpc import CollectorServiceStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.agent_process import eventually, free_port
from tests.collector_process import GOSONDE, AgentStream, CollectorProcess, leak, observation, open_channel
from tests.integration.whole.test_faults import fleet
from tests.simulated import Query, assert_exact, running, settled
from tests.small_disk import small_disk as mounted

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MiB."""
    with mounted(tmp_path / "disk", 96) as folder:
        yield folder


def serving(address: str, service: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def status(address: str, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def known(collector: CollectorProcess) -> int:
    with collector.client() as client:
        return len(client.processes())


async def test_a_full_disk_stops_acknowledgements_but_no_question_and_loses_nothing(small_disk: Path) -> None:
    listen, http = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    (small_disk / "collector.toml").write_text(f'min_free_mb = 40\nhttp = "{http}"\n')
    flags = ("--config", str(small_disk / "collector.toml"))
    agents = fleet(listen, 3)
    with await asyncio.to_thread(CollectorProcess, small_disk, *flags, listen=listen) as collector:
        async with running(agents) as over:
            async with asyncio.timeout(20):
                while await asyncio.to_thread(known, collector) < 9:
                    await asyncio.sleep(0.1)
            assert status(http, "/readyz") == 200
            filler = small_disk / "filler"
            filler.write_bytes(bytes(60 * MIB))
            async with asyncio.timeout(20):
                while serving(listen, "gosonde.v1.IngestService"):
                    await asyncio.sleep(0.1)
            assert serving(listen, "gosonde.v1.CollectorService")
            assert (status(http, "/readyz"), status(http, "/healthz")) == (503, 200)
            assert known(collector) == 9
            async with asyncio.timeout(20):
                while not any("min_free_mb" in agent.uplink.status().error for agent in agents):
                    await asyncio.sleep(0.02)
            assert not all(agent.uplink.settled for agent in agents)
            filler.unlink()
            over.set()
            await settled(agents)
            await assert_exact(Query(listen), agents)
            async with asyncio.timeout(20):
                while not serving(listen, "gosonde.v1.IngestService"):
                    await asyncio.sleep(0.1)
        log = collector.log.read_text()
    assert "nothing is stored and acknowledged any more" in log
    assert "there is room again" in log


def test_a_backup_of_a_running_collector_is_a_store_by_itself(tmp_path: Path) -> None:
    target = tmp_path / "copy" / FILE_NAME
    target.parent.mkdir()
    with CollectorProcess(tmp_path) as collector, AgentStream(collector.address) as stream:
        for sequence, seen in enumerate(leak(20, 100), 1):
            stream.observe(sequence, seen)
        command: list[str | Path] = [GOSONDE, "backup", target, "--json", "--collector", collector.address]
        copied = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert copied == {"file": str(target), "size_bytes": target.stat().st_size}
        stream.observe(21, observation([(42, 9_999, 0)]))
        assert subprocess.run(command, check=False, capture_output=True).returncode == 2, "it overwrites nothing"
        assert list((tmp_path / "data").glob("backup-*")) == []
    store = open_store(target.parent)
    created = {total.site.pc: total.created for total in store.sites(ProcessFilter())}
    store.close()
    assert created == {42: 2_000, 7: 20_000}


def test_a_backup_that_nobody_waits_for_any_more_leaves_no_copy(tmp_path: Path) -> None:
    def copies() -> list[Path]:
        return list((tmp_path / "data").glob("backup-*"))

    with CollectorProcess(tmp_path) as collector, open_channel(collector.address, None) as channel:
        with AgentStream(collector.address) as stream:
            for sequence, seen in enumerate(leak(20, 100), 1):
                stream.observe(sequence, seen)

        def is_ended_while_it_is_made() -> bool:
            call = CollectorServiceStub(channel).Backup(BackupRequest())
            while call.is_active() and not copies():
                time.sleep(0.001)
            return bool(copies() and call.cancel())

        eventually(is_ended_while_it_is_made)
        eventually(lambda: not copies())
