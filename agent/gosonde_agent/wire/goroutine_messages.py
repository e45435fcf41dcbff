"""Goroutines as messages of the agent's query service; `gosonde_common.wire.goroutines` is the way back."""

from collections.abc import Iterable, Iterator

from gosonde_common.values.goroutines import Goroutine, Location
from gosonde_pb.v1 import agent_pb2

Response = agent_pb2.ReadGoroutinesResponse

#: Goroutines in a message; with stacks of the usual depth it stays far below gRPC's 4 MiB.
CHUNK = 500
#: Frames in a message, for stacks of an unusual depth.
MAX_FRAMES = 10_000


def chunks(goroutines: Iterable[Goroutine]) -> Iterator[Response]:
    """The goroutines in messages of bounded size."""
    response, frames = Response(), 0
    for goroutine in goroutines:
        response.goroutines.append(_encode(goroutine))
        frames += len(goroutine.stack)
        if len(response.goroutines) >= CHUNK or frames >= MAX_FRAMES:
            yield response
            response, frames = Response(), 0
    if response.goroutines:
        yield response


def _encode(goroutine: Goroutine) -> agent_pb2.Goroutine:
    message = agent_pb2.Goroutine(
        goid=goroutine.goid,
        status=goroutine.status,
        wait_reason=_text(goroutine.wait_reason),
        created_by=_place(goroutine.created_by),
        start_function=_text(goroutine.start_function),
        parent_goid=goroutine.parent_goid,
        thread_id=goroutine.thread_id,
        locked=goroutine.locked,
        system=goroutine.system,
        active=goroutine.active,
        complete=goroutine.complete,
        stack=[_place(frame) for frame in goroutine.stack],
        waits_for=goroutine.waits_for,
        stack_bytes=goroutine.stack_bytes,
    )
    if goroutine.wait_ns is not None:
        message.wait_ns = goroutine.wait_ns
    return message


def _place(location: Location) -> agent_pb2.CodeLocation:
    return agent_pb2.CodeLocation(
        function=_text(location.function), file=_text(location.file), line=min(location.line, (1 << 32) - 1)
    )


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
