"""Go servers that nobody here wrote: how they are started, and used."""

import base64
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import real_binaries
from tests.real_binaries import Http

Command = tuple[Sequence[str], int, int]
PAUSE_SECONDS, READY_SECONDS = 0.02, 60.0
ITSELF = """global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: itself
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


def prometheus(folder: Path) -> tuple[Sequence[str], int, int]:
    """(command, port that it listens on, port of its pprof)."""
    (folder / "prometheus.yml").write_text("global: {}\n")
    port = real_binaries.free_port()
    # Debian's would keep what it has for all of them in one folder below /var.
    flags = (f"--storage.tsdb.path={folder}/series", f"--web.listen-address=127.0.0.1:{port}")
    return (str(real_binaries.prometheus()), "--config.file=prometheus.yml", *flags), port, port


def etcd(folder: Path) -> tuple[Sequence[str], int, int]:
    client, peer = (f"http://127.0.0.1:{real_binaries.free_port()}" for _ in range(2))
    flags = (
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--data-dir={folder / 'data'}",
        "--enable-pprof",
    )
    port = int(client.rsplit(":", 1)[1])
    return (str(real_binaries.etcd()), *flags), port, port


def nats(_folder: Path) -> tuple[Sequence[str], int, int]:
    port, profile = real_binaries.free_port(), real_binaries.free_port()
    flags = ("--addr", "127.0.0.1", "--port", str(port), "--profile", str(profile))
    return (str(real_binaries.nats()), *flags), port, profile


@contextmanager
def used_prometheus(folder: Path) -> Iterator[int]:
    """The pid of one that scrapes itself every second, and is asked for what it has all the time."""
    command, port, _ = prometheus(folder)
    (folder / "prometheus.yml").write_text(ITSELF.format(port=port))
    asked = "/api/v1/query?query=sum(rate(go_goroutines[1m]))"
    with real_binaries.running(command, port, folder) as pid:
        _wait_until_ready(port)
        with _used(port, lambda http, _: http.get(asked)):
            yield pid


@contextmanager
def scraping_prometheus(folder: Path, addresses: Mapping[str, str]) -> Iterator[Callable[..., Any]]:
    """Asks one that scrapes HOST:PORT of each job every second: `ask("query", query="up")` is `data` of its answer."""
    command, port, _ = prometheus(folder)
    jobs = [
        {"job_name": job, "honor_labels": True, "static_configs": [{"targets": [address]}]}
        for job, address in addresses.items()
    ]
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(json.dumps(config))

    def ask(what: str, **asked: object) -> Any:
        return json.loads(http.get(f"/api/v1/{what}?{urllib.parse.urlencode(asked, doseq=True)}"))["data"]

    with real_binaries.running(command, port, folder):
        _wait_until_ready(port)
        with Http(port) as http:
            yield ask


@contextmanager
def used_etcd(folder: Path) -> Iterator[int]:
    """The pid of one into which keys are put, and from which they are read, all the time, and which others watch."""
    command, port, _ = etcd(folder)

    def use(http: Http, number: int) -> None:
        key = _coded(f"key{number % 50}")
        http.post("/v3/kv/put", f'{{"key": "{key}", "value": "{_coded(str(number))}"}}')
        http.post("/v3/kv/range", f'{{"key": "{key}"}}')

    with real_binaries.running(command, port, folder) as pid, Http(port) as watch, _used(port, use):
        watch.connection.request("POST", "/v3/watch", f'{{"create_request": {{"key": "{_coded("key1")}"}}}}')
        yield pid


def _wait_until_ready(port: int) -> None:
    """Prometheus listens before it answers."""
    end = time.monotonic() + READY_SECONDS
    while not _is_ready(port):
        if time.monotonic() > end:
            raise RuntimeError(f"prometheus on port {port} does not get ready")
        time.sleep(0.1)


def _is_ready(port: int) -> bool:
    try:
        with Http(port) as http:
            http.get("/-/ready")
    except RuntimeError:
        return False
    return True


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextmanager
def _used(port: int, use: Callable[[Http, int], object]) -> Iterator[None]:
    """Uses a server from a thread until the block ends, which raises what went wrong."""
    over, failed = threading.Event(), list[Exception]()

    def work() -> None:
        number = 0
        try:
            with Http(port) as http:
                while not over.wait(PAUSE_SECONDS):
                    try:
                        use(http, number)
                    except (RuntimeError, TimeoutError):  # 503, or nothing at all, where the host is too busy
                        http.connection.close()
                    number += 1
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failed:
        raise failed[0]
