"""A ClickHouse server of Debian, as a process on loopback with a configuration and data of its own."""

import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.real_binaries import free_port

READY_SECONDS = 120.0
NAME = "clickhouse-server"
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


class ClickHouseServer:
    """One whose files are all in a folder. It answers when the constructor returns, and again after `start`.

    Attributes:
        native: The port of its native protocol.
        http: The port of HTTP.
        secure: A port for TLS, for `more`, which is configuration, to name as {secure}.
    """

    def __init__(self, folder: Path, more: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.native, self.http, self.secure, interserver = (free_port() for _ in range(4))
        more = more.replace("{secure}", str(self.secure))
        config = CONFIG.format(folder=folder, native=self.native, http=self.http, interserver=interserver, more=more)
        (folder / "config.xml").write_text(config)
        users = (("default", ""), (USER, PASSWORD))
        texts = "".join(ONE_USER.format(name=name, password=password) for name, password in users)
        (folder / "users.xml").write_text(USERS.format(users=texts))
        self.start()

    def start(self) -> None:
        """Starts its process, on what was written before."""
        with (self._folder / "output").open("ab") as output:
            command = [NAME, f"--config-file={self._folder / 'config.xml'}"]
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=output, stderr=output)
        try:
            self._await_answer()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Ends its process at once."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def _await_answer(self) -> None:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                said = (self._folder / "output").read_text(errors="replace")
                raise RuntimeError(f"clickhouse-server has ended: {said}")
            try:
                socket.create_connection(("127.0.0.1", self.native), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError(f"clickhouse-server does not listen on port {self.native} after {READY_SECONDS:g} s")
