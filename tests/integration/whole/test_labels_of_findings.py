"""A finding says of which endpoint its goroutines are, and labels that may not leave the host do not."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from gosonde.collector_client import CollectorClient, Finding

from tests.agent_process import AgentProcess, eventually
from tests.collector_process import GOSONDE, CollectorProcess
from tests.go_programs import GoProgram, build, site_line
from tests.integration.collector.snapshots.test_snapshot_requests import host_of
from tests.web_page import configured

PROGRAM = "endpoints"
#: For what takes scans of five seconds, on a machine under load.
LONG_S = 180.0
#: Neither may be anywhere.
CONFIDENTIAL = ("ann@example.com", "r-1")


@contextmanager
def leaking(version: str) -> Iterator[GoProgram]:
    """Of ten requests that leave a goroutine behind, nine are of /export."""
    with GoProgram(build(PROGRAM, version)) as program:
        for asked in ("/export?forget=1 9", "/list?forget=1 1", "/list 40"):
            assert "error" not in program.ask(f"ask {asked}")
        yield program


def found(client: CollectorClient) -> Finding | None:
    return next((one for one in client.findings() if one.site.line == site_line(PROGRAM, "fetch") and one.labels), None)


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("version", ["1.22.10", "1.27.3"])
def test_a_finding_says_which_endpoint_its_goroutines_are_of(version: str, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("")
    page, flags = configured(tmp_path)
    with leaking(version) as program, CollectorProcess(tmp_path, *map(str, flags)) as collector:
        agent = AgentProcess(tmp_path, collector.address, str(build(PROGRAM, version)))
        try:
            with CollectorClient(collector.address) as client:
                host = host_of(client, program.pid)
                assert client.prove(host, program.pid).outcome.proved >= 10
                client.take_snapshot(host, program.pid)
                eventually(lambda: found(client) is not None, LONG_S)
                finding = found(client)
        finally:
            agent.kill()
        assert finding is not None
        shares = [(share.key, share.value, share.goroutines, share.at_most, share.of) for share in finding.labels]
        assert shares[0] == ("endpoint", "/export", 9, 9, 10)
        assert sorted(shares[1:]) == [("customer", None, 10, 10, 10), ("request_id", None, 10, 10, 10)]
        command: list[str | Path] = [GOSONDE, "findings", "--collector", collector.address]
        text = subprocess.run([*command, "--wide"], capture_output=True, text=True, check=True).stdout
        assert "9 of 10 have endpoint=/export (snapshot taken " in text
        assert "10 of 10 have a label customer, whose values are not reported" in text
        (document,) = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
        assert document["labels"][0] == {
            "key": "endpoint",
            "value": "/export",
            "goroutines": 9,
            "at_most": 9,
            "of": 10,
            "taken_unix_nano": finding.labels[0].taken_unix_nano,
        }
        with urllib.request.urlopen(f"{page}/findings/{finding.id}") as answer:  # noqa: S310
            assert "<bdi>9 of 10 have endpoint=/export</bdi>" in answer.read().decode()
        program.kill()
    assert not any(text in dump(tmp_path) for text in CONFIDENTIAL)


def dump(folder: Path) -> str:
    """All that the store has of labels, and of findings."""
    (file,) = folder.rglob("*.duckdb")
    with duckdb.connect(str(file), read_only=True) as store:
        return str([store.table(name).fetchall() for name in ("snapshot_labels", "findings")])


@pytest.mark.usefixtures("ebpf")
def test_of_a_fetched_profile_the_collector_stores_only_values_that_it_allows_itself(tmp_path: Path) -> None:
    with leaking("1.27.3") as program, CollectorProcess(tmp_path) as collector:
        port = program.ready["port"]
        (tmp_path / "agent.toml").write_text(
            f'labels = ["customer"]\npprof = ["*=http://127.0.0.1:{port}/debug/pprof"]\n'
        )
        agent = AgentProcess(tmp_path, collector.address, str(build(PROGRAM, "1.27.3")))
        try:
            with collector.client() as client:
                client.take_snapshot(host_of(client, program.pid), program.pid, "pprof")
        finally:
            agent.kill()
    said = dump(tmp_path).replace(" ", "")
    assert '["main.fetch.func1","",0,10,[["customer",10,0,[]],["endpoint",10,0,[]]' in said
    assert "/export" not in said
