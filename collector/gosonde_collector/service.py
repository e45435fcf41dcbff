"""One run of the collector, from start to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import grpc
import structlog
from gosonde_common.connections import Connections
from gosonde_common.errors import UnavailableError
from gosonde_common.listening import check_free
from gosonde_common.metrics import MetricsServer
from gosonde_common.notify import Notifier
from gosonde_common.otlp.keys import otlp_keys
from gosonde_common.server_tls import ServerTls, server_credentials
from gosonde_common.serving import new_server, set_serving
from gosonde_common.stopping import on_stop
from gosonde_pb.v1 import collector_pb2_grpc, ingest_pb2_grpc
from grpc_health.v1 import health

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.config import CollectorConfig
from gosonde_collector.ingest.access import MAX_REQUEST_BYTES, Access
from gosonde_collector.ingest.committer import Committer
from gosonde_collector.ingest.service import IngestService
from gosonde_collector.model.worker import Worker
from gosonde_collector.operating import Operating, Reload
from gosonde_collector.outward.sending import Outward, Plan
from gosonde_collector.query.query_service import QueryService
from gosonde_collector.routine import Routine
from gosonde_collector.snapshots.elsewhere import FromElsewhere
from gosonde_collector.snapshots.policy import SnapshotAsker
from gosonde_collector.snapshots.requests import SnapshotRequests
from gosonde_collector.store.duckdb import open_store
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.finding_metrics import FindingMetrics
from gosonde_collector.telemetry.otlp import Otlp
from gosonde_collector.telemetry.own_acts import OwnActs

log = structlog.get_logger(__name__)

SERVICES = ("gosonde.v1.IngestService", "gosonde.v1.CollectorService")
#: Connections of others than agents, at an address.
OTHER_CONNECTIONS = 512
#: Time between two checks of the free disk space, in seconds.
ROOM_SECONDS = 1.0
#: How long open calls may go on after SIGTERM, in seconds.
GRACE_SECONDS = 2.0


def run(config: CollectorConfig, reload: Reload) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        StoreError: The store cannot be opened.
        UnavailableError: The address cannot be listened on.
        UsageError: A file that the configuration names cannot be used.
    """
    plan = Plan(config)
    with closing(_open_store(config)) as store:
        store.min_free_bytes = config.min_free_bytes
        asyncio.run(_serve(config, reload, store, plan))


def _open_store(config: CollectorConfig) -> Store:
    if not config.store:
        return open_store(config.data)
    from gosonde_collector.store.clickhouse import opening  # noqa: PLC0415 - who has no ClickHouse does not need what it needs

    return opening.open_at(
        config.store, config.store_user, config.store_password_file, tls=config.store_tls, ca=config.store_tls_ca
    )


def unready(store: Store, analyst: Analyst) -> list[str]:
    """Why the collector cannot do all of its work now; empty when it can."""
    return [reason for reason in (store.room(), analyst.freshness.reason()) if reason]


async def _serve(config: CollectorConfig, reload: Reload, store: Store, plan: Plan) -> None:
    stopping = asyncio.Event()
    notifier = Notifier()
    async with AsyncExitStack() as stack:
        workers = writing, asking, analysing, checking, expiring = [
            Worker(name) for name in ("writing", "asking", "analysing", "checking", "expiring")
        ]
        for worker in workers:
            stack.callback(worker.close)
        analyst = Analyst(store)
        telemetry = Telemetry(are_pauses_asked_for=bool(config.http))
        telemetry.seed(store)
        metrics = FindingMetrics(store, analyst, telemetry)
        telemetry.registry.register(metrics)
        otlp = Otlp(config.data, telemetry, metrics, analyst)
        stack.callback(otlp.close)
        acts = OwnActs(store)
        labels = frozenset(config.labels)
        snapshots = SnapshotRequests(store, asking, telemetry, acts, labels=labels)
        routine = Routine(
            *(config, store, analysing, analyst, telemetry),
            asker=SnapshotAsker(snapshots, telemetry),
            expiring=expiring,
            on_analysed=otlp.look,
        )
        committer = Committer(store, writing, telemetry)
        for work in (
            committer.run(),
            routine.analyse(),
            routine.expire(),
            routine.checkpoint(writing),
            notifier.watchdog(),
        ):
            await stack.enter_async_context(_running(work, stopping))
        access = Access(config, telemetry)
        ingest = IngestService(
            store, committer, access, telemetry, snapshots=snapshots, no_probes=analyst.no_probes, checking=checking
        )
        query = QueryService(store, asking, analyst, telemetry, snapshots=snapshots, acts=acts)
        outward = Outward(plan, store, analyst, telemetry.registry)
        stack.callback(outward.close)
        operating = Operating(routine, store, acts, reload, stopping, otlp=otlp, outward=outward)
        _on_signals(operating)
        connections = Connections(int(config.max_connections_per_peer), telemetry.connection_closed)
        listening = _listening(config, ingest, query, access, telemetry, connections=connections)
        servicer = await stack.enter_async_context(listening)
        await stack.enter_async_context(_running(connections.run(), stopping))
        await stack.enter_async_context(_running(_watch_room(store, servicer), stopping))
        if config.http:
            http = MetricsServer(config.http, telemetry.registry, lambda: unready(store, analyst))
            stack.callback(http.close)
        if config.web:
            from gosonde_collector.web import page  # noqa: PLC0415 - who wants no page does not need what it needs

            showing = Worker("showing")
            stack.callback(showing.close)
            asked = FromElsewhere(snapshots, asyncio.get_running_loop())
            served = page.serve(config, access, store, analyst, telemetry, worker=showing, snapshots=asked, acts=acts)
            stack.callback(served.close)
        otlp.apply(otlp_keys(config))
        await operating.started()
        notifier.ready(f"listening on {config.listen}")
        log.info("collector started", listen=config.listen, data=config.store or str(config.data))
        await stopping.wait()
        notifier.stopping()
        log.info("collector stopping; a second Ctrl-C ends it at once, and what was acknowledged is stored")
        await operating.stopped()


@asynccontextmanager
async def _listening(
    config: CollectorConfig,
    ingest: IngestService,
    query: QueryService,
    access: Access,
    telemetry: Telemetry,
    *,
    connections: Connections,
) -> AsyncIterator[health.aio.HealthServicer]:
    def register(server: grpc.aio.Server) -> None:
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(ingest, server)
        collector_pb2_grpc.add_CollectorServiceServicer_to_server(query, server)

    options = (
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_allowed_incoming_connections", int(config.max_agents) + OTHER_CONNECTIONS),
    )
    server, servicer = new_server(register, SERVICES, options, access, connections)
    connections.ports.add(_bind(server, config, config.listen, telemetry))
    if config.query_listen:
        connections.ports.add(_bind(server, config, config.query_listen, telemetry))
    await server.start()
    await set_serving(servicer, SERVICES, serving=True)
    try:
        yield servicer
    finally:
        await set_serving(servicer, SERVICES, serving=False)
        await server.stop(GRACE_SECONDS)


def _tls(config: CollectorConfig, client_ca: str) -> ServerTls | None:
    if not config.tls_cert:
        return None
    return ServerTls(Path(config.tls_cert), Path(config.tls_key), Path(client_ca) if client_ca else None)


def _bind(server: grpc.aio.Server, config: CollectorConfig, address: str, telemetry: Telemetry) -> int:
    """The port, or what gRPC gives for a unix socket."""
    is_main = address == config.listen
    check_free(address, "listen" if is_main else "query_listen")
    tls = _tls(config, config.tls_client_ca if is_main else "")
    try:
        if tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, server_credentials(tls, telemetry.handshakes.inc))
    except RuntimeError as error:
        raise UnavailableError(
            f"cannot listen on {address}: gRPC refused it without a reason; choose another address"
        ) from error


async def _watch_room(store: Store, servicer: health.aio.HealthServicer) -> None:
    """Says through the health service whether there is room for what agents send."""
    full = False
    while True:
        reason = await asyncio.to_thread(store.room)
        if bool(reason) != full:
            full = bool(reason)
            if full:
                log.error("nothing is stored and acknowledged any more; queries go on", reason=reason)
            else:
                log.info("there is room again")
            await set_serving(servicer, SERVICES[:1], serving=not full)
        await asyncio.sleep(ROOM_SECONDS)


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


def _on_signals(operating: Operating) -> None:
    under_way: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(operating.reload())
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    on_stop(operating.stop)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
