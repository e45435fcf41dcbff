"""Receivers of profiles, by the protocols that Pyroscope and Parca publish: what they would refuse, these refuse."""

import gzip
import tempfile
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from gosonde_pb.pprof.v1 import profile_pb2
from grpc_tools import protoc

from tests.certificates import Certificate
from tests.http_receiver import Request
from tests.paths import FIXTURES

WRITE_RAW = "/parca.profilestore.v1alpha1.ProfileStoreService/WriteRaw"


class Pushed(NamedTuple):
    """One profile that came."""

    labels: dict[str, str]
    profile: profile_pb2.Profile
    id: str = ""


@cache
def message(name: str) -> Any:
    """The class of a message of servers.proto."""
    folder = FIXTURES / "profiles"
    with tempfile.NamedTemporaryFile() as file:
        assert protoc.main(["", f"-I{folder}", f"--descriptor_set_out={file.name}", str(folder / "servers.proto")]) == 0
        described = descriptor_pb2.FileDescriptorSet.FromString(Path(file.name).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described.file[0])
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"servers.{name}"))


def read(raw: bytes) -> profile_pb2.Profile:
    """A profile by the rules that Parca checks: numbers of functions and locations follow each other."""
    profile = profile_pb2.Profile.FromString(gzip.decompress(raw))
    assert profile.string_table[0] == ""
    for table in (profile.mapping, profile.function, profile.location):
        assert [one.id for one in table] == list(range(1, len(table) + 1))
    for function in profile.function:
        assert max(function.name, function.system_name, function.filename) < len(profile.string_table)
    for location in profile.location:
        assert all(1 <= line.function_id <= len(profile.function) for line in location.line)
    for sample in profile.sample:
        assert len(sample.value) == len(profile.sample_type) == 1
        assert all(1 <= number <= len(profile.location) for number in sample.location_id)
    return profile


def pyroscope(request: Request) -> Pushed:
    """What a request says, read strictly: an unknown name is an error."""
    assert request.path == "/push.v1.PusherService/Push"
    assert request.headers["Content-Type"] == "application/json"
    (series,) = json_format.Parse(request.body, message("PyroscopePush")()).series
    (sample,) = series.samples
    labels = {pair.name: pair.value for pair in series.labels}
    assert len(labels) == len(series.labels)
    return Pushed(labels, read(sample.raw_profile), sample.ID)


class Parca:
    """What came, and with which statuses the next calls are answered."""

    def __init__(self) -> None:
        self.pushed: list[Pushed] = []
        self.statuses: list[grpc.StatusCode] = []

    def write_raw(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """As the service has it."""
        if self.statuses:
            context.abort(self.statuses.pop(0), "a test wants this")
        written = message("ParcaWriteRaw").FromString(request)
        assert written.normalized
        assert not written.tenant
        (series,) = written.series
        (sample,) = series.samples
        self.pushed.append(Pushed({pair.name: pair.value for pair in series.labels.labels}, read(sample.raw_profile)))
        return b""


@contextmanager
def parca(certificate: Certificate | None = None) -> Iterator[tuple[Parca, str]]:
    """(what came, its URL) of a gRPC server."""
    came = Parca()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler: Any = grpc.unary_unary_rpc_method_handler(came.write_raw)
    service, method = WRITE_RAW.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    if certificate:
        pair = (certificate.key.read_bytes(), certificate.cert.read_bytes())
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield came, f"http{'s' if certificate else ''}://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
