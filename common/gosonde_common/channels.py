"""Connections to a collector: plain text on this machine, TLS to others; files are read at each new one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from gosonde_common.addresses import ClientTls
from gosonde_common.errors import UsageError

Options = Sequence[tuple[str, Any]]

#: Pings keep the entries of NATs and firewalls alive, and find a peer that vanished without a word.
KEEPALIVE: Options = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
#: No certificate file is larger.
MAX_PEM_BYTES = 1 << 20


def read_pem(path: Path) -> bytes:
    """The content of a certificate or key file. Raises UsageError when it cannot be read or is none."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; name a PEM file that this user may read") from error
    if b"-----BEGIN " not in content or len(content) > MAX_PEM_BYTES:
        raise UsageError(f"{path} is not a PEM file")
    return content


def credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    """What a channel needs, from the files as they are now. Raises UsageError as `read_pem`."""
    return grpc.ssl_channel_credentials(
        read_pem(tls.ca), read_pem(tls.key) if tls.key else None, read_pem(tls.cert) if tls.cert else None
    )


def aio_channel(address: str, tls: ClientTls | None, options: Options) -> grpc.aio.Channel:
    """A channel for asyncio. Raises UsageError as `credentials`."""
    if tls is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials(tls), options=options)


def channel(address: str, tls: ClientTls | None, options: Options) -> grpc.Channel:
    """A channel that blocks. Raises UsageError as `credentials`."""
    if tls is None:
        return grpc.insecure_channel(address, options=options)
    return grpc.secure_channel(address, credentials(tls), options=options)
