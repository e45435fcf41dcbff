"""Text as people have it into plain UTF-8 with one log line a line: encodings, colours, logs in JSON, prefixes.

Every step costs time in proportion to the file, and says what it found.
"""

import codecs
import re
from typing import Final

from gosonde_collector.evidence.prefixes import without_prefixes
from gosonde_collector.evidence.quoted import without_quotes

#: How much of a file shows what it is.
PROBE_BYTES: Final = 4_096
#: Escape sequences of terminals: colours, and titles that end in a bell or a string terminator.
ANSI: Final = re.compile(rb"\x1b(?:\[[0-9;?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\))")
#: Bytes that no text has, but for an escape.
CONTROLS: Final = bytes({*range(9), 14, 15, *range(16, 27), *range(28, 32)})
#: Of bytes that look like text, one in this many may be a control.
TEXT_SHARE: Final = 20
#: A log that was cut at its beginning while a program wrote on has a hole: so many bytes of 0 at least.
HOLE: Final = bytes(4)


def behind_hole(data: bytes) -> bytes:
    """A file from its first byte on that a program wrote."""
    return data.lstrip(b"\0") if data.startswith(HOLE) else data


def is_text(data: bytes) -> bool:
    """Whether the file begins as text does, in UTF-8 or UTF-16."""
    start = data[:PROBE_BYTES]
    if _utf16(start):
        return True
    start = start.replace(b"\0", b"")
    return TEXT_SHARE * (len(start) - len(start.translate(None, CONTROLS))) <= len(start)


def cleaned(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The text in UTF-8 without anything around its lines, and what was found around them, in words."""
    found = []
    if encoding := _utf16(data[:PROBE_BYTES]):
        data = data[: len(data) & ~1].decode(encoding, "replace").encode(errors="replace")
        found.append("UTF-16")
    if b"\0" in data:
        data = data.replace(b"\0", b"")
        found.append("bytes of 0")
    if data.startswith(codecs.BOM_UTF8):
        data = data.removeprefix(codecs.BOM_UTF8)
        found.append("byte order mark")
    if b"\x1b" in data:
        data = ANSI.sub(b"", data)
        found.append("colour codes")
    if b"\r" in data[:PROBE_BYTES]:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        found.append("CRLF line ends")
    data, quotes = without_quotes(data)
    found += quotes
    data, prefix = without_prefixes(data)
    if prefix:
        found.append(f"each line behind {prefix!r}" if prefix.strip() else "indented")
    return data, tuple(found)


def _utf16(start: bytes) -> str:
    """The byte order of UTF-16; empty when it is something else."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and 4 * start.count(0) > len(start):
        return "utf-16-le" if start.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    for name, these, those in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if len(those) > 4 and these.count(0) > 0.8 * len(these) and not those.count(0):
            return name
    return ""
