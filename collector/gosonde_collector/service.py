"""The run of a collector, top to bottom."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from typing import Any

import grpc
import structlog
from gosonde import logs
from gosonde.errors import GosondeError, UnavailableError
from gosonde.notify import Notifier
from gosonde.serving import new_server, set_serving
from gosonde_pb.v1 import collector_pb2_grpc, ingest_pb2_grpc

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.config import CollectorConfig, reloaded
from gosonde_collector.ingest.committer import Committer
from gosonde_collector.ingest.service import IngestService
from gosonde_collector.query_service import QueryService
from gosonde_collector.routine import Routine
from gosonde_collector.store.duckdb import open_store
from gosonde_collector.store.protocol import Store
from gosonde_collector.worker import Worker

log = structlog.get_logger(__name__)

SERVICES = ("gosonde.v1.IngestService", "gosonde.v1.CollectorService")
#: Bytes of one message; agents send batches of about 2 MiB.
MAX_MESSAGE_BYTES = 16 << 20
#: How long open calls may go on after SIGTERM, in seconds.
GRACE_SECONDS = 2.0

#: Reads the configuration again, flags included.
Reload = Callable[[], CollectorConfig]


def run(config: CollectorConfig, reload: Reload) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        StoreError: The store cannot be opened.
        UnavailableError: The address cannot be listened on.
    """
    with closing(open_store(config.data)) as store:
        asyncio.run(_serve(config, reload, store))


async def _serve(config: CollectorConfig, reload: Reload, store: Store) -> None:
    stopping = asyncio.Event()
    notifier = Notifier()
    async with AsyncExitStack() as stack:
        writing, asking, analysing = Worker("writing"), Worker("asking"), Worker("analysing")
        for worker in (writing, asking, analysing):
            stack.callback(worker.close)
        analyst = Analyst(store)
        routine = Routine(config, store, analysing, analyst)
        committer = Committer(store, writing)
        for work in (committer.run(), routine.analyse(), routine.expire(), notifier.watchdog()):
            await stack.enter_async_context(_running(work, stopping))
        ingest = IngestService(store, asking, committer)
        query = QueryService(store, asking, analyst)
        await stack.enter_async_context(_listening(config.listen, ingest, query))
        _on_signals(stopping, lambda: _reload(routine, reload))
        notifier.ready(f"listening on {config.listen}")
        log.info("collector started", listen=config.listen, data=str(config.data))
        await stopping.wait()
        notifier.stopping()
        log.info("collector stopping")


@asynccontextmanager
async def _listening(address: str, ingest: IngestService, query: QueryService) -> AsyncIterator[None]:
    def register(server: grpc.aio.Server) -> None:
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(ingest, server)
        collector_pb2_grpc.add_CollectorServiceServicer_to_server(query, server)

    options = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES))
    server, health = new_server(register, SERVICES, options)
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise UnavailableError(
            f"cannot listen on {address}: another program uses the address, or it is not this machine's; stop the "
            f"other program or choose another address with --listen"
        ) from error
    await server.start()
    await set_serving(health, SERVICES, serving=True)
    try:
        yield
    finally:
        await set_serving(health, SERVICES, serving=False)
        await server.stop(GRACE_SECONDS)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None], stopping: asyncio.Event) -> AsyncIterator[None]:
    """The work in a task; when it fails, the collector stops, and the failure is raised at the end."""
    task = asyncio.create_task(work)

    def done(finished: asyncio.Task[None]) -> None:
        if not finished.cancelled() and finished.exception():
            stopping.set()

    task.add_done_callback(done)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _on_signals(stopping: asyncio.Event, reload: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reload)


def _reload(routine: Routine, reload: Reload) -> None:
    try:
        routine.config, ignored = reloaded(routine.config, reload())
    except GosondeError as error:
        log.error("configuration not reloaded; the former one stays", reason=str(error))  # noqa: TRY400
        return
    logs.set_level(routine.config.log_level)
    log.info("configuration reloaded", needs_restart=list(ignored))
