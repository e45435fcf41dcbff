"""The keys of a configuration that are about OTLP, the same for the agent and the collector. Imports nothing large."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gosonde_common import addresses
from gosonde_common.errors import UsageError

GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
PROTOCOLS: Final = (GRPC, HTTP)
COMPRESSIONS: Final = ("gzip", "none")
#: What a service may be named after, the most specific first.
NAMED_AFTER: Final = ("workload", "unit", "container", "executable")
#: Attributes of resources in the configuration, and how long each may be.
MAX_ATTRIBUTES: Final = 32
ATTRIBUTE: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,127})=([^\x00-\x1f\x7f]{1,256})")
#: What follows from the process, and so from no configuration.
GIVEN: Final = ("service.instance.id", "host.name", "process.", "container.", "k8s.")


@dataclass(frozen=True, slots=True)
class OtlpKeys:
    """Where to send, how, and as what.

    Attributes:
        otlp: The receiver, "http://HOST:PORT" or "https://HOST:PORT", with a path only for HTTP; "" sends nothing.
        otlp_protocol: One of PROTOCOLS.
        otlp_ca: PEM file with the authorities of the receiver's certificate; "" for those that the libraries know.
        otlp_cert: PEM file with a certificate for the receiver; "" for none.
        otlp_key: PEM file with its key.
        otlp_headers: File with headers, "NAME: VALUE" in each line; "" for none.
        otlp_attributes: Attributes of every resource, "KEY=VALUE".
        otlp_service_name: What `service.name` is taken from, some of NAMED_AFTER: the first that is known.
        otlp_compression: One of COMPRESSIONS.
        otlp_interval_seconds: Time between two exports of metrics, 1 to 3,600.
    """

    otlp: str = ""
    otlp_protocol: str = GRPC
    otlp_ca: str = ""
    otlp_cert: str = ""
    otlp_key: str = ""
    otlp_headers: str = ""
    otlp_attributes: tuple[str, ...] = ()
    otlp_service_name: tuple[str, ...] = NAMED_AFTER
    otlp_compression: str = "gzip"
    otlp_interval_seconds: float = 60.0

    def check_otlp(self, *, insecure: bool) -> None:
        """Checks these keys. Raises UsageError: a value is not allowed; the message starts with the key."""
        _check_choice("otlp_protocol", self.otlp_protocol, PROTOCOLS)
        _check_choice("otlp_compression", self.otlp_compression, COMPRESSIONS)
        if not 1 <= self.otlp_interval_seconds <= 3_600:
            raise UsageError(f"otlp_interval_seconds: {self.otlp_interval_seconds:g} is not between 1 and 3600")
        self._check_names()
        _attributes(self.otlp_attributes)
        if bool(self.otlp_cert) != bool(self.otlp_key):
            raise UsageError("otlp_cert: needs otlp_key, and otlp_key needs otlp_cert; give both or none")
        if self.otlp:
            self._check_receiver(insecure=insecure)

    def _check_receiver(self, *, insecure: bool) -> None:
        scheme, address = self.receiver
        if scheme == "https":
            return
        if self.otlp_ca or self.otlp_cert:
            raise UsageError(f"otlp: {self.otlp} is plain text, and otlp_ca and otlp_cert need https://")
        if not (insecure or addresses.is_local(address)):
            raise UsageError(
                f"otlp: what is sent to {address} would be neither encrypted nor authenticated; write https://, or "
                f"insecure = true into the configuration file"
            )

    def _check_names(self) -> None:
        if not self.otlp_service_name:
            raise UsageError(f"otlp_service_name: is empty; name some of {', '.join(NAMED_AFTER)}")
        for name in self.otlp_service_name:
            _check_choice("otlp_service_name", name, NAMED_AFTER)

    @property
    def receiver(self) -> tuple[str, str]:
        """Scheme and HOST:PORT. Raises UsageError: `otlp` is no such URL."""
        wanted = f"otlp: {self.otlp!r} is not http://HOST:PORT or https://HOST:PORT"
        try:
            parts = urlsplit(self.otlp)
        except ValueError as error:
            raise UsageError(f"{wanted}: {error}") from error
        match = addresses.HOST_PORT.fullmatch(parts.netloc)
        if parts.scheme not in {"http", "https"} or not match or not 1 <= int(match["port"]) <= 65_535:
            raise UsageError(wanted)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise UsageError(f"{wanted}: secrets belong into the file otlp_headers, and there is no query")
        if self.otlp_protocol == GRPC and parts.path not in {"", "/"}:
            raise UsageError(f"{wanted}: gRPC has no path {parts.path!r}")
        return parts.scheme, parts.netloc

    @property
    def extra_attributes(self) -> dict[str, str]:
        """`otlp_attributes` by key."""
        return _attributes(self.otlp_attributes)


def otlp_keys(config: OtlpKeys) -> OtlpKeys:
    """These keys of a configuration alone."""
    return OtlpKeys(**{name: getattr(config, name) for name in OtlpKeys.__dataclass_fields__})


def _check_choice(key: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(f"{key}: {value!r} is not one of {', '.join(choices)}")


def _attributes(texts: Sequence[str]) -> dict[str, str]:
    if len(texts) > MAX_ATTRIBUTES:
        raise UsageError(f"otlp_attributes: {len(texts)} are more than {MAX_ATTRIBUTES}")
    found = {}
    for text in texts:
        match = ATTRIBUTE.fullmatch(text)
        if not match:
            raise UsageError(f"otlp_attributes: {text!r} is not KEY=VALUE")
        if match[1].startswith(GIVEN):
            raise UsageError(f"otlp_attributes: {match[1]} follows from the process")
        found[match[1]] = match[2]
    return found
