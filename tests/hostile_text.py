"""A string that does all that a string can do to a terminal, and the search for what of it is left."""

import re

#: What JSON, protobuf and file systems let through.
CONTROLS = "".join(map(chr, (*range(1, 0x20), *range(0x7F, 0xA0))))
DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
UNSEEN = "\u00ad\u200b\u200c\u200d\u2060\u2028\u2029\ufeff\ufe0f\u034f\u3164\U000e0061"
#: As it may stand on the wire and in a path.
SENDABLE = f"\x1b[2J\x1b]0;owned\x07[bold]{CONTROLS}{DIRECTIONS}{UNSEEN}\r\n/srv/honest"
HOSTILE = f"{SENDABLE}\udcff\ud800"


def unshown(text: str) -> list[str]:
    """Every character of a text that a terminal would not show as itself."""
    return re.findall(f"[{re.escape(CONTROLS + DIRECTIONS + UNSEEN)}\ud800-\udfff]", text)
