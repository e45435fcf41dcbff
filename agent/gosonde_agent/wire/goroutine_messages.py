"""Goroutines as messages of the agent's query service, and back."""

from collections.abc import Iterable, Iterator

from gosonde_pb.v1 import agent_pb2

from gosonde_agent.golang.pclntab import Location
from gosonde_agent.sources.memory.dump import Goroutine

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


def decode(response: Response) -> list[Goroutine]:
    """The goroutines in a message."""
    return [
        Goroutine(
            goid=message.goid,
            status=message.status,
            wait_reason=message.wait_reason,
            wait_ns=message.wait_ns if message.HasField("wait_ns") else None,
            created_by=_location(message.created_by),
            start_function=message.start_function,
            parent_goid=message.parent_goid,
            thread_id=message.thread_id,
            locked=message.locked,
            system=message.system,
            active=message.active,
            complete=message.complete,
            stack=tuple(_location(frame) for frame in message.stack),
            waits_for=message.waits_for,
            stack_bytes=message.stack_bytes,
        )
        for message in response.goroutines
    ]


def _location(message: agent_pb2.CodeLocation) -> Location:
    return Location(message.function, message.file, message.line)
