"""Both clients against a real collector: streams that are ended, refusals, certificates, tokens and silence."""

import asyncio
import hashlib
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gosonde
import pytest
from gosonde_common.channels import credentials

from tests.agent_process import free_port
from tests.certificates import Authority
from tests.collector_process import PATIENCE_S, CollectorProcess

TOKENS = {"read": "a-token-for-reading", "admin": "a-token-for-everything"}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path_factory.mktemp("collector")) as running:
        yield running


@contextmanager
def reading(stream: gosonde.Stream[gosonde.Finding]) -> Iterator[list[BaseException | None]]:
    """Has a thread read a stream to its end; what ended it is there when the block is left."""
    ended: list[BaseException | None] = []

    def read() -> None:
        try:
            assert list(stream) == []
        except gosonde.GosondeError as error:
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=read)
    thread.start()
    yield ended
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), "the stream never ended"


def test_a_stream_that_another_thread_closes_ends_without_an_error(collector: CollectorProcess) -> None:
    with gosonde.CollectorClient(collector.address) as client:
        findings = client.watch()
        with reading(findings) as ended:
            findings.close()
        assert ended == [None]
        assert client.processes() == []


def test_a_stream_fails_when_its_client_is_closed(collector: CollectorProcess) -> None:
    client = gosonde.CollectorClient(collector.address)
    with reading(client.watch()) as ended:
        client.close()
    assert isinstance(ended[0], gosonde.UnavailableError)


def test_a_client_that_is_closed_says_so(collector: CollectorProcess) -> None:
    with gosonde.CollectorClient(collector.address) as client:
        assert client.processes() == []
    with pytest.raises(gosonde.UsageError, match="is closed"):
        client.processes()
    with pytest.raises(gosonde.UsageError, match="is closed"):
        client.watch()


async def waits_for_more(stream: gosonde.AsyncStream[gosonde.Finding]) -> "asyncio.Task[list[gosonde.Finding]]":
    """A task that reads a stream to its end and has begun to wait."""

    async def read() -> list[gosonde.Finding]:
        return [finding async for finding in stream]

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    return task


async def test_a_task_that_waits_for_a_stream_can_be_cancelled_and_the_client_stays_usable(
    collector: CollectorProcess,
) -> None:
    async with gosonde.AsyncCollectorClient(collector.address) as client:
        task = await waits_for_more(client.watch())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert await client.processes() == []


async def test_a_stream_that_another_task_closes_ends_without_an_error(collector: CollectorProcess) -> None:
    async with gosonde.AsyncCollectorClient(collector.address) as client, client.watch() as findings:
        task = await waits_for_more(findings)
        findings.close()
        assert await asyncio.wait_for(task, PATIENCE_S) == []


async def test_a_stream_ends_in_the_time_that_asyncio_gives_it(collector: CollectorProcess) -> None:
    async with gosonde.AsyncCollectorClient(collector.address) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), client.watch() as findings:
                await anext(findings)


async def test_a_stream_of_asyncio_fails_when_its_client_is_closed(collector: CollectorProcess) -> None:
    client = gosonde.AsyncCollectorClient(collector.address)
    task = await waits_for_more(client.watch())
    await client.close()
    with pytest.raises(gosonde.UnavailableError, match="closed"):
        await asyncio.wait_for(task, PATIENCE_S)


async def test_a_client_of_asyncio_that_is_closed_says_so(collector: CollectorProcess) -> None:
    async with gosonde.AsyncCollectorClient(collector.address) as client:
        assert await client.processes() == []
    with pytest.raises(gosonde.UsageError, match="is closed"):
        await client.processes()


def test_a_client_of_asyncio_needs_an_event_loop(collector: CollectorProcess) -> None:
    with pytest.raises(gosonde.UsageError, match="no event loop"):
        gosonde.AsyncCollectorClient(collector.address)


async def test_both_clients_are_told_the_same_of_what_is_not_there(collector: CollectorProcess) -> None:
    told: list[str] = []
    with gosonde.CollectorClient(collector.address) as client:
        for ask in (lambda: client.explain("none"), lambda: client.push_snapshot(io.BytesIO(b"x" * 3_000_000), "h", 1)):
            with pytest.raises(gosonde.GosondeError) as refused:
                ask()
            told.append(f"{refused.type.__name__}: {refused.value}")
        with pytest.raises(gosonde.UsageError, match="'heaps' is no kind of snapshot: there are memory, pprof"):
            client.take_snapshot("h", 1, "heaps")
    async with gosonde.AsyncCollectorClient(collector.address) as other:
        for asked in (other.explain("none"), other.push_snapshot(io.BytesIO(b"x" * 3_000_000), "h", 1)):
            with pytest.raises(gosonde.GosondeError) as refused:
                await asked
            assert f"{refused.type.__name__}: {refused.value}" == told.pop(0)


async def test_silence_is_an_error_after_the_time_that_was_given(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen()
        address = f"unix:{tmp_path}/silent.sock"
        with gosonde.CollectorClient(address, 0.2) as client, pytest.raises(gosonde.UnavailableError):
            client.processes()
        async with gosonde.AsyncCollectorClient(address, 0.2) as other:
            with pytest.raises(gosonde.UnavailableError):
                await other.processes()
        with gosonde.AgentClient(address, 0.2) as agent, pytest.raises(gosonde.UnavailableError):
            agent.status()


async def test_nobody_who_listens_is_said_with_what_to_do(tmp_path: Path) -> None:
    with (
        gosonde.AgentClient(f"unix:{tmp_path}/no.sock") as agent,
        pytest.raises(gosonde.UnavailableError, match="start `gosonde agent`"),
    ):
        agent.status()
    async with gosonde.AsyncCollectorClient(f"127.0.0.1:{free_port()}") as client:
        with pytest.raises(gosonde.UnavailableError, match="start it with `gosonde collector`"):
            await client.processes()


@pytest.mark.parametrize("address", ["", "nowhere", "host:99999", "http://host:1"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(gosonde.UsageError, match="is neither HOST:PORT nor unix:PATH"):
        gosonde.CollectorClient(address)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CollectorProcess, gosonde.ClientTls]]:
    """A collector with a certificate and tokens, and the files that a client needs."""
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority(folder)
    own = authority.issue("collector")
    lines = [f"{role} {hashlib.sha256(token.encode()).hexdigest()}\n" for role, token in TOKENS.items()]
    (folder / "tokens").write_text("".join(lines))
    config = folder / "collector.toml"
    config.write_text(f'tls_cert = "{own.cert}"\ntls_key = "{own.key}"\ntokens = "{folder}/tokens"\n')
    tls = gosonde.ClientTls(authority.cert)
    listen = f"127.0.0.1:{free_port()}"
    with CollectorProcess(folder, "--config", str(config), listen=listen, ready=credentials(tls)) as running:
        yield running, tls


async def test_a_token_opens_what_its_role_may(guarded: tuple[CollectorProcess, gosonde.ClientTls]) -> None:
    collector, tls = guarded
    for token, error in (("", gosonde.UnauthenticatedError), ("wrong", gosonde.UnauthenticatedError)):
        access = gosonde.Access(tls, token)
        with gosonde.CollectorClient(collector.address, access=access) as client, pytest.raises(error):
            client.processes()
    read = gosonde.Access(tls, TOKENS["read"])
    async with gosonde.AsyncCollectorClient(collector.address, access=read) as reader:
        assert await reader.processes() == []
        with pytest.raises(gosonde.ForbiddenError):
            await reader.push_gctrace(b"gc 1\n", "h", 1)
    with gosonde.CollectorClient(collector.address, access=gosonde.Access(tls, TOKENS["admin"])) as admin:
        assert b"".join(admin.backup())


def test_a_collector_of_another_authority_is_not_believed(
    guarded: tuple[CollectorProcess, gosonde.ClientTls], tmp_path: Path
) -> None:
    access = gosonde.Access(gosonde.ClientTls(Authority(tmp_path).cert), TOKENS["read"])
    with (
        gosonde.CollectorClient(guarded[0].address, access=access) as client,
        pytest.raises(gosonde.UnavailableError),
    ):
        client.processes()


def test_a_token_is_shown_to_nobody_and_sent_in_plain_text_to_no_other_machine() -> None:
    access = gosonde.Access(token=TOKENS["read"])
    assert TOKENS["read"] not in repr(access)
    with pytest.raises(gosonde.UsageError, match="not sent to elsewhere:9317 in plain text"):
        gosonde.CollectorClient("elsewhere:9317", access=access)
    with pytest.raises(gosonde.UsageError, match="characters that no token has"):
        gosonde.CollectorClient(access=gosonde.Access(None, "two\nlines"))


def test_access_comes_from_the_environment_unless_it_is_given(
    guarded: tuple[CollectorProcess, gosonde.ClientTls], monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, tls = guarded
    monkeypatch.setenv("GOSONDE_CA", str(tls.ca))
    monkeypatch.setenv("GOSONDE_TOKEN", TOKENS["read"])
    with gosonde.CollectorClient(collector.address) as client:
        assert client.processes() == []
    with (
        gosonde.CollectorClient(collector.address, access=gosonde.Access(tls)) as client,
        pytest.raises(gosonde.UnauthenticatedError),
    ):
        client.processes()
