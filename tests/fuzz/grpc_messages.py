"""Messages that no peer should send, for each method of a server: random bytes, random messages, damaged messages.

Methods and messages come from the descriptors of the protocol, so that a new method is tried without a word here.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from gosonde_pb.v1 import agent_pb2, collector_pb2, ingest_pb2

CALL_SECONDS = 0.2
#: Every way in which a call that makes no sense may end. DEADLINE_EXCEEDED ends a stream that would go on.
ALLOWED = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
COLLECTOR: Sequence[MethodDescriptor] = tuple(
    method
    for file in (ingest_pb2, collector_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)
AGENT: Sequence[MethodDescriptor] = tuple(
    method for service in agent_pb2.DESCRIPTOR.services_by_name.values() for method in service.methods
)
NUMBERS = (0, 1, 2, 7, 4711, (1 << 31) - 1, (1 << 32) - 1, (1 << 62), (1 << 63) - 1)
TEXTS = ("", "a", "main.f", "/srv/app", "ä€", "x" * 20_000)


def message(kind: Descriptor, rng: random.Random, depth: int = 0) -> Message:
    """A valid message of a type, some of whose fields are set."""
    made: Any = GetMessageClass(kind)()
    for field in kind.fields:
        if rng.random() < 0.3 or depth > 4:
            continue
        values = [_value(field, rng, depth) for _ in range(rng.randrange(4) if field.is_repeated else 1)]
        for value in values:
            _set(made, field, value)
    return made  # type: ignore[no-any-return]


def _set(made: Any, field: FieldDescriptor, value: Any) -> None:
    target = getattr(made, field.name)
    if field.message_type and field.message_type.GetOptions().map_entry:
        target[value.key] = value.value
    elif field.is_repeated:
        target.append(value) if field.message_type is None else target.add().CopyFrom(value)
    elif field.message_type:
        target.CopyFrom(value)
    else:
        setattr(made, field.name, value)


def _value(field: FieldDescriptor, rng: random.Random, depth: int) -> Any:
    if field.message_type:
        return message(field.message_type, rng, depth + 1)
    if field.enum_type:
        return rng.choice([value.number for value in field.enum_type.values])
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        text = rng.choice(TEXTS)
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return rng.choice((0.0, -1.0, 1e300 if kind == FieldDescriptor.CPPTYPE_DOUBLE else 1e30, float("nan")))
    bits = 32 if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32) else 64
    is_signed = kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
    number = rng.choice([number for number in NUMBERS if number < 1 << (bits - is_signed)])
    return -number if is_signed and rng.random() < 0.2 else number


def hostile(kind: Descriptor, rng: random.Random) -> bytes:
    """Random bytes, a valid message, or one with a few bytes changed, left out or doubled."""
    choice = rng.randrange(4)
    if choice == 0:
        return rng.randbytes(rng.randrange(300))
    data = bytearray(message(kind, rng).SerializeToString())
    for _ in range(rng.randrange(1, 6) if choice > 1 and data else 0):
        at = rng.randrange(len(data))
        how = rng.randrange(3)
        if how == 0:
            data[at] = rng.randrange(256)
        elif how == 1:
            data[at : at + rng.randrange(1, 9)] = b""
        else:
            data[at:at] = data[at : at + rng.randrange(1, 9)]
        if not data:
            break
    return bytes(data)


def attack(channel: grpc.Channel, methods: Sequence[MethodDescriptor], rng: random.Random) -> grpc.StatusCode:
    """Calls one of the methods with up to three hostile messages, sometimes compressed; returns how it ended."""
    method = rng.choice(methods)
    path = f"/{method.containing_service.full_name}/{method.name}"
    requests = [hostile(method.input_type, rng) for _ in range(rng.randrange(1, 4))]
    if method.name == "StreamObservations" and rng.random() < 0.7:
        hello = ingest_pb2.Hello(agent_id="fuzz", agent_epoch=str(rng.randrange(9)), host="fuzz")
        requests.insert(0, ingest_pb2.StreamObservationsRequest(hello=hello).SerializeToString())
    options: dict[str, Any] = {"timeout": CALL_SECONDS if method.server_streaming else 20}
    if rng.random() < 0.3:
        options["compression"] = grpc.Compression.Gzip
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    call: Any = getattr(channel, kind)(path)
    try:
        answer = call(iter(requests) if method.client_streaming else requests[0], **options)
        if method.server_streaming:
            _drain(answer)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def _drain(answers: Iterator[Any]) -> None:
    for _ in answers:
        pass


def series(
    channel: grpc.Channel, methods: Sequence[MethodDescriptor], rng: random.Random, count: int, pause: float = 0.0
) -> Counter[str]:
    """How so many hostile calls ended, `pause` seconds apart. Raises AssertionError for an end that is not ALLOWED."""
    ends: Counter[str] = Counter()
    for number in range(count):
        code = attack(channel, methods, rng)
        assert code in ALLOWED, f"call {number} ended with {code.name}"
        ends[code.name] += 1
        time.sleep(pause)
    return ends
