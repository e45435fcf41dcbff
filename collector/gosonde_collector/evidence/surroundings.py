"""What a Go runtime and people's tools write around the goroutines of a dump."""

import re
from typing import Final

#: Each kind of line, in words. Such a line ends the goroutine before it.
AROUND: Final = (
    ("SIGQUIT dump", re.compile(r"SIG[A-Z]{2,10}: .{1,200}|PC=0x[0-9a-f]+ m=-?\d{1,9} sigcode=.{1,100}")),
    ("panic", re.compile(r"panic: .*|\[signal .*\]|\s*panic: .*\[recovered.*|goroutine panicked.*")),
    ("deadlock", re.compile(r"fatal error: all goroutines are asleep - deadlock!")),
    ("fatal error", re.compile(r"fatal error: .*|runtime: .*|\[originating from goroutine \d{1,18}\]:?")),
    (
        "registers",
        re.compile(
            r"(?:(?:r[a-z0-9]{1,7}|[afstx]\d{1,2}|[c-gl]s|lr|[gst]p|pc|fault|e[a-z]{2,5}|hi|lo|link|ctr|xer|ccr|trap)"
            r"\s+0x[0-9a-f]{1,16}(?:\s+|$))+"
        ),
    ),
    ("go test", re.compile(r"FAIL(?:\t.*)?|\s+running tests:|\s+Test\w{0,200} \([\dhm.]{1,20}s\)")),
    ("stack of the runtime", re.compile(r"runtime stack:")),
    ("several parts", re.compile(r"-----")),
    ("exit status", re.compile(r"exit status -?\d{1,9}|Aborted.*|Quit.*")),
    ("code fence", re.compile(r"\s*(?:```|~~~)\w{0,20}|</?(?:pre|code|details)>")),
)


def kind_of(line: str) -> str:
    """What the line is, in words; empty when it is nothing that is known."""
    return next((name for name, pattern in AROUND if pattern.fullmatch(line)), "")
