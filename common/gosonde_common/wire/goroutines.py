"""Goroutines out of messages of the agent's query service."""

from gosonde_pb.v1 import agent_pb2

from gosonde_common.values.goroutines import MEMORY, Goroutine, Location

Response = agent_pb2.ReadGoroutinesResponse


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
            stack_from=MEMORY if message.stack else "",
        )
        for message in response.goroutines
    ]


def _location(message: agent_pb2.CodeLocation) -> Location:
    return Location(message.function, message.file, message.line)
