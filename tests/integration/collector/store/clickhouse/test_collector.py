"""A collector whose store is in ClickHouse."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from gosonde_collector.store.clickhouse.address import Address
from gosonde_collector.store.clickhouse.server import Server
from gosonde_common.errors import UnsupportedError

from tests.certificates import Authority
from tests.clickhouse_server import PASSWORD, USER, ClickHouseServer
from tests.collector_process import (
    GOSONDE,
    PATIENCE_S,
    AgentStream,
    CollectorProcess,
    eventually,
    leak,
    observation,
)

#: What a server with TLS has besides.
TLS = """<tcp_port_secure>{port}</tcp_port_secure>
<openSSL><server><certificateFile>{cert}</certificateFile><privateKeyFile>{key}</privateKeyFile>
<verificationMode>none</verificationMode><loadDefaultCAFile>false</loadDefaultCAFile></server></openSSL>"""


def configured(folder: Path, port: int, **more: str) -> Path:
    """A configuration file for a store in ClickHouse."""
    password = folder / "password"
    password.write_text(f"{PASSWORD}\n")
    keys = {"store": f"clickhouse://127.0.0.1:{port}/gosonde", "store_user": USER, "store_password_file": str(password)}
    file = folder / "collector.toml"
    lines = [f"{key} = '{value}'" for key, value in keys.items()] + [f"{key} = {value}" for key, value in more.items()]
    file.write_text("\n".join(lines))
    return file


def refused(file: Path) -> str:
    """What a collector says that cannot begin."""
    done = subprocess.run(
        [GOSONDE, "collector", "--config", file, "--listen", "unix:" + str(file.with_suffix(".sock"))],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode in {1, 2}, done.stderr
    return done.stderr


@pytest.mark.minutes
def test_what_agents_send_is_there_after_a_restart_and_becomes_a_finding(
    tmp_path: Path, running: ClickHouseServer
) -> None:
    file = configured(tmp_path, running.native)
    with CollectorProcess(tmp_path, "--config", str(file)) as collector:
        with AgentStream(collector.address) as agent:
            for sequence, seen in enumerate(leak(120, 5), 1):
                agent.observe(sequence, seen)
        with collector.client() as client:
            assert eventually(client, "opened")
            with pytest.raises(UnsupportedError, match="BACKUP"):
                b"".join(client.backup())
        assert collector.stop(signal.SIGTERM) == 0
    with CollectorProcess(tmp_path, "--config", str(file)) as again:
        with again.client() as client:
            assert {row.function: row.created for row in client.sites()} == {
                "main.site_42": 600,
                "main.site_7": 120_000,
            }
            assert eventually(client, "opened")
        with AgentStream(again.address) as agent:
            assert agent.acknowledged == 120
            assert agent.observe(120, observation([(42, 9_999, 0)])) == 120
    assert not (tmp_path / "data").exists()


def test_what_cannot_be_stored_is_not_acknowledged_and_is_taken_once_the_server_is_back(
    tmp_path: Path, running: ClickHouseServer
) -> None:
    with CollectorProcess(tmp_path, "--config", str(configured(tmp_path, running.native))) as collector:
        with AgentStream(collector.address) as agent:
            assert agent.observe(1, observation([(1, 10, 0)])) == 1
            running.kill()
            with pytest.raises(grpc.RpcError) as error:
                agent.observe(2, observation([(1, 20, 0)]))
            assert "does not answer" in str(error.value)
        running.start()
        with AgentStream(collector.address) as agent:
            assert agent.acknowledged == 1
            assert agent.observe(2, observation([(1, 20, 0)])) == 2
        with collector.client() as client:
            assert [row.created for row in client.sites()] == [20]


def of_a_newer_version(_: Path, running: ClickHouseServer) -> None:
    server = Server(Address("127.0.0.1", running.native, "gosonde"), {"user": USER, "password": PASSWORD})
    server.make_database()
    server.run("CREATE TABLE schema_version (version Int64) ENGINE = MergeTree PARTITION BY tuple() ORDER BY version")
    server.insert("schema_version", {"version": [7_777]})
    server.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder, _: (folder / "password").write_text("wrong"), "refuses the user or the password"),
        (lambda folder, _: (folder / "password").unlink(), "store_password_file: "),
        (lambda _, running: running.kill(), "does not answer"),
        (of_a_newer_version, "has schema version 7777"),
    ],
    ids=["password", "password file", "no server", "newer version"],
)
def test_a_collector_that_cannot_use_the_store_says_why(
    tmp_path: Path, running: ClickHouseServer, spoil: Callable[[Path, ClickHouseServer], object], words: str
) -> None:
    file = configured(tmp_path, running.native)
    spoil(tmp_path, running)
    said = refused(file)
    assert words in said
    assert PASSWORD not in said
    assert "Traceback" not in said


def test_tls_is_spoken_with_the_server_whose_authority_is_known_and_with_no_other(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    certificate = authority.issue("collector")
    more = TLS.format(port="{secure}", cert=certificate.cert, key=certificate.key)
    with ClickHouseServer(tmp_path / "server", more) as running:
        good = configured(tmp_path, running.secure, store_tls="true", store_tls_ca=f"'{authority.cert}'")
        with CollectorProcess(tmp_path, "--config", str(good)) as collector, AgentStream(collector.address) as agent:
            assert agent.observe(1, observation([(1, 10, 0)])) == 1
        bad = configured(tmp_path, running.secure, store_tls="true", store_tls_ca=f"'{other.cert}'")
        assert "certificate" in refused(bad)
