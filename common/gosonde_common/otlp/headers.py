"""Headers from a file, such as tokens: no message ever contains one of their values."""

import re
from pathlib import Path
from typing import Final

from gosonde_common.errors import UsageError
from gosonde_common.small_files import read_within

#: A file of headers is no larger, in bytes, and has no more of them.
MAX_BYTES: Final = 1 << 16
MAX_HEADERS: Final = 64
#: What both HTTP/1.1 and gRPC allow.
NAME: Final = re.compile(r"[a-z0-9_.-]{1,128}")
VALUE: Final = re.compile(r"[\x20-\x7e]{1,8192}")
#: Those that belong to the protocols.
TAKEN: Final = frozenset({"content-type", "content-encoding", "content-length", "host", "te", "user-agent"})


def read_headers(path: Path) -> tuple[tuple[str, str], ...]:
    """Names in lower case with their values, from lines "NAME: VALUE"; empty ones and those with # in front are none.

    Raises:
        UsageError: The file cannot be read, is too large, or has a line that is no header.
    """
    try:
        content = read_within(path, MAX_BYTES)
    except UsageError as error:
        raise UsageError(f"otlp_headers: {error}") from error
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    headers = [_header(path, number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if len(headers) > MAX_HEADERS:
        raise UsageError(f"otlp_headers: {path} has {len(headers)} headers; {MAX_HEADERS} are allowed")
    return tuple(headers)


def _header(path: Path, number: int, line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name, value = name.strip().lower(), value.strip()
    if not colon or not NAME.fullmatch(name) or not VALUE.fullmatch(value):
        raise UsageError(f"otlp_headers: line {number} of {path} is not NAME: VALUE in printable ASCII")
    if name in TAKEN or name.startswith("grpc-") or name.endswith("-bin"):
        raise UsageError(f"otlp_headers: line {number} of {path} names {name}, which belongs to the protocol")
    return name, value
