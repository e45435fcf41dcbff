"""Requests for snapshots, and their answers, as messages of the stream."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gosonde_common.values.observation import ProcessKey
from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.wire import outcomes
from gosonde_pb.v1 import ingest_pb2, model_pb2

from gosonde_agent.model.snapshots import SnapshotKind, SnapshotRequest
from gosonde_agent.wire import encoding
from gosonde_agent.wire.texts import text

#: Bytes of the file in one message: small enough that batches are not held up behind it.
PIECE_BYTES = 256 << 10
KINDS = {
    SnapshotKind.MEMORY: model_pb2.SNAPSHOT_KIND_MEMORY,
    SnapshotKind.PPROF: model_pb2.SNAPSHOT_KIND_PPROF,
    SnapshotKind.PPROF_LEAK: model_pb2.SNAPSHOT_KIND_PPROF_LEAK,
    SnapshotKind.PPROF_HEAP: model_pb2.SNAPSHOT_KIND_PPROF_HEAP,
    SnapshotKind.PROOF: model_pb2.SNAPSHOT_KIND_PROOF,
}
KIND_OF = {number: kind for kind, number in KINDS.items()}


def offering(hello: encoding.Request, kinds: Iterable[SnapshotKind]) -> encoding.Request:
    """A hello that names the kinds of snapshots that may be asked for."""
    hello.hello.snapshot_kinds.extend(KINDS[kind] for kind in kinds)
    return hello


def requested(response: encoding.Response) -> SnapshotRequest | None:
    """The request in a response, if there is one."""
    if not response.HasField("snapshot_request"):
        return None
    request = response.snapshot_request
    key = ProcessKey(
        request.process.boot_id, request.process.pid, request.process.start_ticks, request.process.exec_epoch
    )
    return SnapshotRequest(request.id, key, KIND_OF.get(request.kind))


def pieces(request_id: int, data: bytes) -> Iterator[encoding.Request]:
    """The file in messages of bounded size."""
    for start in range(0, len(data), PIECE_BYTES):
        piece = ingest_pb2.SnapshotPiece(
            id=request_id, chunk=data[start : start + PIECE_BYTES], last=start + PIECE_BYTES >= len(data)
        )
        yield encoding.Request(snapshot_piece=piece)


def searched(request_id: int, outcome: SearchOutcome) -> encoding.Request:
    """The answer to a request for a proof."""
    said = replace(outcome, undecided=text(outcome.undecided))
    return encoding.Request(
        snapshot_piece=ingest_pb2.SnapshotPiece(id=request_id, last=True, outcome=outcomes.encode(said))
    )


def failure(request_id: int, reason: str) -> encoding.Request:
    """Says that there is no snapshot, and why."""
    return encoding.Request(snapshot_piece=ingest_pb2.SnapshotPiece(id=request_id, failure=text(reason) or "unknown"))
