"""Parca, by ProfileStoreService.WriteRaw of its API, over gRPC."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

import grpc
from gosonde_common.errors import UsageError
from gosonde_common.foreign import shown

from gosonde_collector.model.errors import DeliveryError, Undelivered
from gosonde_collector.model.http_url import parsed
from gosonde_collector.outward.posting import DEADLINE_S, MOST_ANSWER_BYTES, MOST_SHOWN
from gosonde_collector.outward.profiles.profile import Profile

METHOD: Final = "/parca.profilestore.v1alpha1.ProfileStoreService/WriteRaw"
#: What statuses mean; all others are STATUS.
REASONS: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: Undelivered.REFUSED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Undelivered.BUSY,
    grpc.StatusCode.DEADLINE_EXCEEDED: Undelivered.TIMEOUT,
    grpc.StatusCode.UNAVAILABLE: Undelivered.UNREACHABLE,
}
OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", MOST_ANSWER_BYTES),
    ("grpc.use_local_subchannel_pool", 1),
)


class Parca:
    """A ProfileServer. Raises UsageError: the address has a path, or `ca` cannot be read."""

    kind = "parca"

    def __init__(self, given: str, ca: str) -> None:
        url = parsed(given, "profiles_to")
        if url.target != "/":
            raise UsageError("profiles_to: has a path, and gRPC has none; name http://HOST:PORT or https://HOST:PORT")
        self.place = url.place
        self.given = given
        self._authority = url.authority
        self._credentials = _credentials(ca) if url.is_encrypted else None

    async def push(self, profile: Profile) -> None:
        """See ProfileServer. Its connection is its own, and is closed when the caller is cancelled."""
        with self._channel() as channel:
            write = channel.unary_unary(METHOD, request_serializer=bytes, response_deserializer=bytes)
            call = write.future(write_raw_request(profile), timeout=DEADLINE_S)
            await _ended(call)
            if call.code() is not grpc.StatusCode.OK:
                raise self._failure(call)

    def _failure(self, call: grpc.Call) -> DeliveryError:
        said = shown(call.details() or "", MOST_SHOWN)
        reason = REASONS.get(call.code(), Undelivered.STATUS)
        return DeliveryError(f"{self.place}: answers with status {call.code().name}: {said}", reason)

    def _channel(self) -> grpc.Channel:
        if self._credentials:
            return grpc.secure_channel(self._authority, self._credentials, OPTIONS)
        return grpc.insecure_channel(self._authority, OPTIONS)


async def _ended(call: "grpc.Future[bytes]") -> None:
    """Waits for a call without a thread that would outlive its caller."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wake(_call: object) -> None:
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(ended.set)

    call.add_done_callback(wake)
    await ended.wait()


def _credentials(ca: str) -> grpc.ChannelCredentials:
    try:
        return grpc.ssl_channel_credentials(Path(ca).read_bytes() if ca else None)
    except OSError as error:
        raise UsageError(f"outward_ca: {ca} cannot be read: {error.strerror}") from error


def write_raw_request(profile: Profile) -> bytes:
    """The message WriteRawRequest with one series: labels, one raw profile, and that addresses are none to look up."""
    labels = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(profile.labels.items())
    )
    series = _field(1, labels) + _field(2, _field(1, profile.pprof))
    return _field(2, series) + bytes((3 << 3, 1))


def _field(number: int, content: bytes) -> bytes:
    """A field of protobuf that has a length, of a number below 16."""
    length, head = len(content), bytearray((number << 3 | 2,))
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + content
