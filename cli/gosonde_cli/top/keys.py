"""Keys, from the bytes that a terminal sends."""

from typing import Final

ENTER: Final = "enter"
ESCAPE: Final = "escape"
ERASE: Final = "erase"
#: What follows ESC, as terminals send it.
SEQUENCES: Final = {
    b"[A": "up",
    b"OA": "up",
    b"[B": "down",
    b"OB": "down",
    b"[5~": "page-up",
    b"[6~": "page-down",
    b"[H": "home",
    b"OH": "home",
    b"[1~": "home",
    b"[F": "end",
    b"OF": "end",
    b"[4~": "end",
}
SINGLE: Final = {"\r": ENTER, "\n": ENTER, "\x7f": ERASE, "\x08": ERASE}
#: Bytes of a sequence at most.
LONGEST: Final = 16


def keys_of(read: bytes) -> list[str]:
    """The keys of one read: names of `SEQUENCES` and `SINGLE`, ESCAPE, or one character. What is unknown is left out.

    An ESC that nothing follows in the same read is the key itself.
    """
    keys: list[str] = []
    while read:
        if read[0] == 0x1B:
            key, length = _sequence(read[1 : LONGEST + 1])
        else:
            end = read.find(b"\x1b")
            plain = read if end < 0 else read[:end]
            keys += [
                SINGLE.get(one, one) for one in plain.decode(errors="ignore") if one in SINGLE or one.isprintable()
            ]
            key, length = "", len(plain) - 1
        if key:
            keys.append(key)
        read = read[1 + length :]
    return keys


def _sequence(rest: bytes) -> tuple[str, int]:
    """(the key, or nothing; how many bytes after ESC it has)."""
    if not rest or rest[:1] not in {b"[", b"O"}:
        return ESCAPE, 0
    for at in range(1, len(rest)):
        if 0x40 <= rest[at] <= 0x7E:
            return SEQUENCES.get(rest[: at + 1], ""), at + 1
    return "", len(rest)
