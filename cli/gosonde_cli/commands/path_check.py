"""Checks the whole path from here to a collector, step by step; the first step that fails ends it."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from gosonde.collector_client import CollectorClient
from gosonde.transport.access import Access
from gosonde_common import channels
from gosonde_common.addresses import HOST_PORT
from gosonde_common.errors import GosondeError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gosonde_cli.rendering import counted

SECONDS = 5.0
INGEST = "gosonde.v1.IngestService"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `name` as docs/doctor.md lists it, what was found, and what to do when that is not enough."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def steps(address: str) -> list[Step]:
    """The steps up to the first one that fails."""
    found: list[Step] = []
    for check in STEPS:
        found.append(check(address))
        if not found[-1].ok:
            break
    return found


def _reach(address: str) -> Step:
    try:
        if address.startswith("unix:"):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(SECONDS)
                probe.connect(address.removeprefix("unix:"))
        elif match := HOST_PORT.fullmatch(address):
            socket.create_connection((match["six"] or match["name"], int(match["port"])), SECONDS).close()
        else:
            return Step(
                "connection", ok=False, found=f"{address!r} is no address", remedy="give HOST:PORT or unix:PATH"
            )
    except OSError as error:
        return Step(
            "connection", ok=False, found=error.strerror or str(error), remedy="start it; check name, port and firewall"
        )
    return Step("connection", ok=True, found=f"{address} takes connections")


def _speak(address: str) -> Step:
    tls = Access.from_environment().tls
    how = "TLS" if tls else "plain text"
    with channels.channel(address, tls, (("grpc.use_local_subchannel_pool", 1),)) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=SECONDS)
        except grpc.FutureTimeoutError:
            remedy = (
                "give what the collector wants: GOSONDE_CA, and GOSONDE_CERT with GOSONDE_KEY where it asks for one"
            )
            return Step("encryption", ok=False, found=f"no agreement in {how}", remedy=remedy)
    return Step("encryption", ok=True, found=how)


def _serve(address: str) -> Step:
    with channels.channel(address, Access.from_environment().tls, (("grpc.use_local_subchannel_pool", 1),)) as channel:
        request = health_pb2.HealthCheckRequest(service=INGEST)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=SECONDS)
        except grpc.RpcError as error:
            return Step(
                "ingest", ok=False, found=f"{error.code().name}: {error.details()}", remedy="is it a collector?"
            )
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    if serving:
        return Step("ingest", ok=True, found="takes what agents send")
    return Step("ingest", ok=False, found="takes nothing from agents", remedy="its log says why; its disk may be full")


def _ask(address: str) -> Step:
    try:
        with CollectorClient(address, SECONDS) as client:
            hosts = {row.host for row in client.processes()}
    except GosondeError as error:
        return Step("queries", ok=False, found=str(error), remedy="set GOSONDE_TOKEN to a token that it knows")
    own = socket.gethostname()
    heard = f"this host, {own}, is one of them" if own in hosts else f"it has heard nothing of this host, {own}"
    return Step("queries", ok=True, found=f"it knows processes of {counted(len(hosts), 'host')}; {heard}")


STEPS: tuple[Callable[[str], Step], ...] = (_reach, _speak, _serve, _ask)
