"""A ClickHouse server of Debian, as a process on loopback with a configuration and data of its own."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real_binaries import free_port

READY_SECONDS = 120.0
USER, PASSWORD = "gosonde", "a'secret\\"

CONFIG = """<yandex>
<logger><level>information</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
<listen_host>127.0.0.1</listen_host>
<interserver_http_host>127.0.0.1</interserver_http_host>
<tcp_port>{native}</tcp_port>
<http_port>{http}</http_port>
<interserver_http_port>{interserver}</interserver_http_port>
<path>{folder}/data/</path>
<tmp_path>{folder}/tmp/</tmp_path>
<users_config>users.xml</users_config>
<default_profile>default</default_profile>
<default_database>default</default_database>
<mark_cache_size>100000000</mark_cache_size>
{more}
</yandex>
"""
USERS = """<yandex>
<profiles><default><max_threads>2</max_threads><log_queries>0</log_queries></default></profiles>
<users>{users}</users>
<quotas><default><interval><duration>3600</duration><queries>0</queries><errors>0</errors><result_rows>0</result_rows>
<read_rows>0</read_rows><execution_time>0</execution_time></interval></default></quotas>
</yandex>
"""
ONE_USER = """<{name}><password>{password}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
<quota>default</quota></{name}>"""


@dataclass(frozen=True)
class ClickHouseServer:
    """One that runs: its native protocol's port, the port of HTTP, and its folder."""

    native: int
    http: int
    folder: Path


@contextmanager
def clickhouse_server(folder: Path, more: str = "") -> Iterator[ClickHouseServer]:
    """Starts one whose files are all in `folder`; it answers, and is killed at the end. `more` is configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    native, http, interserver = (free_port() for _ in range(3))
    config = CONFIG.format(folder=folder, native=native, http=http, interserver=interserver, more=more)
    (folder / "config.xml").write_text(config)
    users = (("default", ""), (USER, PASSWORD))
    texts = "".join(ONE_USER.format(name=name, password=password) for name, password in users)
    (folder / "users.xml").write_text(USERS.format(users=texts))
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            ["clickhouse-server", f"--config-file={folder / 'config.xml'}"],
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    try:
        _await_answer(process, native, folder)
        yield ClickHouseServer(native, http, folder)
    finally:
        process.kill()
        process.wait()


def _await_answer(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"clickhouse-server has ended: {(folder / 'output').read_text(errors='replace')}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"clickhouse-server does not listen on port {port} after {READY_SECONDS:g} s")
