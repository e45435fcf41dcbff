"""What loggers put before every line, found by evidence: what stands before each goroutine's header.

The text before a header is generalised, numbers to any number and names of months and days to any, so that a time of
day fits all lines; what is most often there is removed from each line that begins so.
"""

import re
from collections import Counter
from typing import Final

#: Where a goroutine, or a profile with debug=1, begins.
ANCHOR: Final = re.compile(
    rb"goroutine \d{1,18} [^\[\n]{0,80}\[[^\]\n]{1,200}\]|(?:goroutine|goroutineleak) profile: total \d"
)
#: Headers that are examined, and the longest prefix.
MAX_ANCHORS: Final = 1_000
MAX_PREFIX: Final = 300
#: A form that stands before fewer of the headers than one in this many is no prefix of the whole.
SHARE: Final = 4
_PARTS: Final = re.compile(
    r"(?P<fraction>[.,]\d+)|(?P<number>\d+)|(?P<name>\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|"
    r"Fri|Sat|Sun)\b)|(?P<tag>\bstd(?:out|err) [FP](?= ))|(?P<space>[ \t]+)|(?P<other>.)"
)


def without_prefixes(data: bytes) -> tuple[bytes, str]:
    """The text with the prefix of its lines removed, and the first such prefix; empty when there is none."""
    forms: Counter[str] = Counter()
    first: dict[str, str] = {}
    for prefix in _prefixes(data):
        form = _form(prefix)
        forms[form] += 1
        first.setdefault(form, prefix)
    most = [form for form, count in forms.most_common(SHARE) if form and SHARE * count >= forms.total()]
    if not most or forms.most_common(1)[0][0] == "":
        return data, ""
    pattern = "|".join(sorted(most, key=len, reverse=True))
    return re.sub(f"^(?:{pattern})".encode(), b"", data, flags=re.MULTILINE), first[most[0]]


def _prefixes(data: bytes) -> list[str]:
    found: list[str] = []
    for anchor in ANCHOR.finditer(data):
        start = data.rfind(b"\n", max(0, anchor.start() - MAX_PREFIX - 1), anchor.start()) + 1
        if start or anchor.start() <= MAX_PREFIX:
            found.append(data[start : anchor.start()].decode(errors="replace"))
        if len(found) == MAX_ANCHORS:
            break
    return found


def _form(prefix: str) -> str:
    """A pattern that fits the prefix and those like it; where it ends in blanks, an empty line has lost them."""
    if "\ufffd" in prefix:
        return ""
    text = prefix.rstrip(" \t")
    pattern = "".join(map(_part, _PARTS.finditer(text)))
    blanks = prefix[len(text) :]
    return f"{pattern}(?:{re.escape(blanks)}|$)" if blanks and pattern else pattern + re.escape(blanks)


def _part(part: re.Match[str]) -> str:
    forms = {
        "fraction": r"(?:[.,][0-9]{1,20})?",
        "number": r"[0-9]{1,20}",
        "name": r"[A-Z][a-z]{2}",
        "tag": r"std(?:out|err) [FP]",
        "space": r"[ \t]{1,20}",
    }
    return forms.get(part.lastgroup or "", re.escape(part[0]))
