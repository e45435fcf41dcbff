"""Logs that quote what a program wrote: as values in JSON, or as one string with escapes for its line ends."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from gosonde_collector.evidence.prefixes import ANCHOR

#: Where a logger keeps what the program wrote: docker's json-file, journalctl -o json, structured loggers.
KEYS: Final = ("log", "MESSAGE", "message", "msg", "stack", "stacktrace", "textPayload", "body")
#: What is larger is not decoded, because values of JSON can take twenty times as much memory: a larger file is read
#: line by line, and of a larger line the strings with escapes.
MAX_DOCUMENT: Final = 4 << 20
#: A goroutine's header, or a profile's first line, whose line end is an escape; JSON in JSON escapes the escapes.
ESCAPED: Final = re.compile(
    rb"(?:goroutine \d{1,18} [^\[\n\\]{0,80}\[[^\]\n\\]{1,200}\][^\n\\]{0,200}:|profile: total \d{1,15})\\{1,8}n"
)
MAX_ROUNDS: Final = 4
#: The end may be missing, so that no text is searched twice.
STRING: Final = re.compile(rb'"((?:[^"\\\n]|\\[^\n])*+)"?')
ESCAPE: Final = re.compile(rb"\\(u[0-9a-fA-F]{4}|[^\n])")
LETTERS: Final = {b"n": b"\n", b"t": b"\t", b"r": b""}


def without_quotes(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """What the program wrote, and what it was quoted by, in words; time in proportion to the file."""
    found = []
    if (document := _document(data)) or b'{"' in data:
        text = document or b"".join(map(_of_json, data.splitlines(keepends=True)))
        if text != data:
            found.append("log lines in JSON")
        data = text
    for _ in range(MAX_ROUNDS):
        if not ESCAPED.search(data):
            break
        data = b"".join(map(_unescaped, data.splitlines(keepends=True)))
        found.append("a string with escapes")
    return data, tuple(dict.fromkeys(found))


def _document(data: bytes) -> bytes:
    """What a file says that is one value of JSON, over however many lines; empty for any other."""
    if len(data) > MAX_DOCUMENT or data.lstrip()[:1] not in (b"[", b"{"):
        return b""
    try:
        return b"".join(_texts(json.loads(data)))
    except (ValueError, RecursionError):
        return b""


def _of_json(line: bytes) -> bytes:
    """What the program wrote, of a line that ends in an object of a known logger; any other line as it is."""
    start = line.find(b'{"')
    if start < 0 or len(line) > MAX_DOCUMENT or not line.rstrip().endswith(b"}"):
        return line
    try:
        return b"".join(_texts(json.loads(line[start:]))) or line
    except (ValueError, RecursionError):
        return line


def _texts(document: Any) -> Iterator[bytes]:  # noqa: ANN401  # whatever JSON has
    """Lines: of a known key, of a list of nothing but strings, or with a goroutine in them; in their order."""
    pending = [("", document)]
    while pending:
        key, value = pending.pop()
        if isinstance(value, dict):
            pending += reversed(value.items())
        elif isinstance(value, list) and key in KEYS and value and isinstance(value[0], int):
            yield _of_numbers(value)
        elif isinstance(value, list):
            pending += [(key, item) for item in reversed(value)]
        elif isinstance(value, str) and (key in KEYS or not key or ANCHOR.search(value.encode(errors="replace"))):
            yield (value if value.endswith("\n") else f"{value}\n").encode(errors="replace")


def _of_numbers(value: list[Any]) -> bytes:
    """A line that journalctl writes as its bytes, because it has colours or is not UTF-8."""
    try:
        return bytes(value) + b"\n"
    except (ValueError, TypeError):
        return b""


def _unescaped(line: bytes) -> bytes:
    """The strings of a line that have goroutines, without their escapes; any other line as it is."""
    header = ESCAPED.search(line)
    if not header:
        return line
    strings = [string[1] for string in STRING.finditer(line) if ESCAPED.search(string[1])]
    return b"\n".join(ESCAPE.sub(_character, text) for text in strings or [line[header.start() :]]) + b"\n"


def _character(escape: re.Match[bytes]) -> bytes:
    what = escape[1]
    if len(what) > 1:
        return chr(int(what[1:], 16)).encode(errors="replace")
    return LETTERS.get(what, what)
