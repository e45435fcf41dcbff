"""Where a kubelet answers, and what it takes to ask there."""

from dataclasses import dataclass
from pathlib import Path

from gosonde_common.addresses import HOST_PORT, is_local
from gosonde_common.errors import UsageError


@dataclass(frozen=True, slots=True)
class KubeletPlace:
    """An address and what it takes to ask there.

    Attributes:
        address: HOST:PORT.
        token: A file with the token of a service account; None for plain text.
        ca: Certificates of the authorities that the kubelet's may come from; None for plain text.
    """

    address: str
    token: Path | None = None
    ca: Path | None = None


def place(url: str, token: str, ca: str) -> KubeletPlace:
    """The place of the keys `kubelet`, `kubelet_token` and `kubelet_ca`.

    Raises:
        UsageError: They make no place, or a token would be sent to somebody unknown.
    """
    scheme, _, address = url.partition("://")
    match = HOST_PORT.fullmatch(address)
    if scheme not in {"http", "https"} or not match or not 1 <= int(match["port"]) <= 65_535:
        raise UsageError(f"kubelet: {url!r} is not https://HOST:PORT, or http://HOST:PORT of this host")
    if scheme == "http":
        if not is_local(address) or token or ca:
            raise UsageError("kubelet: over http only this host is asked, and without kubelet_token and kubelet_ca")
        return KubeletPlace(address)
    if not token or not ca:
        raise UsageError("kubelet: https needs kubelet_token and kubelet_ca")
    return KubeletPlace(address, Path(token), Path(ca))
