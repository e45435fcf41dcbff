"""A page that is really served, and a way to ask for it."""

import dataclasses
import http.client
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.witnesses import Witness
from gosonde_collector.config import CollectorConfig
from gosonde_collector.evidence.model import Frame
from gosonde_collector.ingest.access import Access
from gosonde_collector.model.by import By
from gosonde_collector.model.tokens import digest_of
from gosonde_collector.model.values import Batch, ProcessKey, Site, SnapshotKind
from gosonde_collector.model.worker import Worker
from gosonde_collector.snapshots.elsewhere import Snapshots
from gosonde_collector.snapshots.requests import Proved, Taken
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.own_acts import OwnActs
from gosonde_collector.web import page
from gosonde_common.errors import NotFoundError

READ, ADMIN = "a token that reads", "a token that does all"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Served:
    """Asks the page, each time over a new connection."""

    def __init__(self, address: str, tokens: Path) -> None:
        self.address = address
        self.tokens = tokens

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request(method, path, body or None, dict(headers or {}))
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        return Answer(answer.status, answer.headers, read)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """As a form of a page of ours does, unless `headers` say otherwise."""
        named = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        named.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.ask("POST", path, {k: v for k, v in named.items() if v}, urlencode(fields).encode())

    def sign_in(self, token: str) -> str:
        """The cookie, as a browser sends it."""
        answer = self.post("/sign-in", {"token": token})
        assert answer.status == 303, answer.text
        return answer.headers["set-cookie"].partition(";")[0]


class NoAgents:
    """Takes no snapshot."""

    async def take_of(self, host: str, process: ProcessKey, kind: SnapshotKind, by: By) -> Taken:  # noqa: ARG002
        raise NotFoundError(f"no agent of {host} is connected, so no snapshot can be taken there")

    async def prove(self, host: str, pid: int, by: By) -> Proved:  # noqa: ARG002
        raise NotFoundError(f"no agent of {host} is connected, so no snapshot can be taken there")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def finding(number: int = 1, **changes: Any) -> Finding:
    """One that grows, of main.leak in /srv/shop."""
    found = Finding(
        id=f"{number:016x}", state="growing", confidence=0.8, cause="select", remedy="Cancel it.", host="web-1",
        process=ProcessKey("boot", 7, 100, 0), exe="/srv/shop", site=Site("build", 1, "main.leak", "main.go", 12, "f"),
        live=100, growth_per_second=1.0, first_seen_unix_nano=1, opened_unix_nano=1, grew_unix_nano=1, window_s=60,
        base=0, peak=100, grown_confidence=0.8, witnesses=(Witness("events", "agrees", "100 created and 0 exited"),),
        stacks=((100, (Frame("main.inner", "main.go", 30), Frame("main.outer", "main.go", 20))),),
        states=(("select", 100),),
    )  # fmt: skip
    return dataclasses.replace(found, **changes)


@pytest.fixture
def serving(store: DuckDBStore, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """`serving(*findings, tokens=False, batches=(), snapshots=None, **config)`: a page of what the collector has."""
    with ExitStack() as stack:

        def serve(
            *findings: Finding,
            tokens: bool = False,
            batches: Sequence[Batch] = (),
            snapshots: Snapshots | None = None,
            **config: Any,
        ) -> Served:
            file = tmp_path / "tokens"
            file.write_text(f"read {digest_of(READ)}\nadmin {digest_of(ADMIN)}\n")
            store.save_findings([found.record(1) for found in findings])
            settings = CollectorConfig(web=f"127.0.0.1:{free_port()}", tokens=str(file) if tokens else "", **config)
            telemetry, worker = Telemetry(), Worker("showing")
            store.append(batches)
            for batch in batches:
                telemetry.newest.take(batch, batch.taken_unix_nano)
            stack.callback(worker.close)
            access = Access(settings, telemetry)
            server = page.serve(
                settings,
                access,
                store,
                Analyst(store),
                telemetry,
                worker=worker,
                snapshots=snapshots or NoAgents(),
                acts=OwnActs(store),
            )
            stack.callback(server.close)
            return Served(settings.web, file)

        yield serve
