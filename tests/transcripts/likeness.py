"""Whether two transcripts are alike: all that differs from run to run, and from host to host, is taken out of both."""

import re
from collections.abc import Callable, Iterator

from rich.cells import cell_len

COLUMNS = 80
#: In this order: what is found, and what stands for it.
VARYING = (
    (r"^ +at that rate since the process began, .* ago$", ""),
    (r"whether the process is still starting up: it is .*? old(; |$)", ""),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*( UTC|Z)?", "TIME"),
    (r"…/\S{20,}", "BUILD"),
    (r"\b(?=[0-9a-f]*\d)[0-9a-f]{16,}\b", "ID"),
    (r"0x[0-9a-f]+", "ADDRESS"),
    (r"(?<![\w/])(\d[\d.,]* (d|h|min|s|ms|µs|ns)\b ?)+", "LENGTH "),
    (r"(?<![\w/])\d[\d.,]* (bytes|KiB|MiB|GiB)\b", "SIZE"),
    (r"(?<![\w/.])[~+-]?\d[\d.,]*\d|(?<![\w/.])[~+-]?\d", "N"),
    (r"(┤ *)?[▁▂▃▄▅▆▇█]+", "▁"),
    (r"\bN(/[\d.]+)+", "N"),
    (r"\bN ([a-z]+)s\b", r"N \1"),
    (r"[;,] oldest wait LENGTH ?", ""),
    (r", N (runnable|running)\b", ""),
    (r"\bN to N\b", "N"),
    (r"\bN ± N %", "N"),
    (r"\b(OPENED|GROWING)\b", "STATE"),
    (r"\b(steady|steps)\b", "PATTERN"),
    (r"[·✓✗] gctrace .*", "gctrace"),
    (r" ?; (?!GC )[a-z ]+ N time, median N, Nth percentile N, longest LENGTH ?", ""),
)
#: What `gosonde ps` says of processes beside those that it lists.
OF_PROCESSES = re.compile(r"[\d,]+ process|this user may not know")
#: Words that begin lines of their own.
MARKS = {"#", "-", "·", "✓", "✗", "→"}
#: What the agent logs only where it takes a while.
SOMETIMES = ("detaching the probes", "what a hit costs was measured again")
HEADER = re.compile(r" *[A-Z][A-Z/]*( [A-Z/]+)*( {2,}[A-Z/]+( [A-Z/]+)*)+ *")


def plain(text: str) -> list[str]:
    """The lines of a transcript without what varies, in which a sentence with numbers is one line.

    The rows of a table are sorted, each once, and of lines that follow each other each once, as in a chart; of a
    shortened name the end is left.
    """
    result: list[str] = []
    lines = list(_unwrapped(text.splitlines()))
    while lines:
        if HEADER.fullmatch(lines[0]):
            rows = [_cells(row) for row in _table(lines)]
            lines = lines[len(rows) :]
            result += [" | ".join(rows[0]), *sorted({" | ".join(row) for row in rows[1:]})]
        else:
            line = lines.pop(0)
            if (said := _spaced(_plain(line))) or not line:
                result.append(said)
    return [line for line, before in zip(result, [None, *result], strict=False) if line != before]


def _table(lines: list[str]) -> Iterator[str]:
    yield lines[0]
    for line in lines[1:]:
        if len(_parts(line)) < 2:
            return
        yield line


def _parts(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def _cells(row: str) -> list[str]:
    """Of paths and functions the last name: how much stands before it depends on the room."""
    return [re.sub(r"^\S*\.(?=[A-Za-z]\w*$)", "", re.sub(r"^\S*/(?=\S)", "", _plain(part))) for part in _parts(row)]


def _plain(text: str) -> str:
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return text


def _spaced(line: str) -> str:
    """Without the room before a number that stands at the right of its column."""
    line = re.sub(r"^ +(?=(N|LENGTH)\b)", "", line)
    begin = len(line) - len(line.lstrip(" "))
    return line[:begin] + re.sub(r" {2,}", "  ", line[begin:]).rstrip()


def _unwrapped(lines: list[str]) -> Iterator[str]:
    """Lines, where those that are one sentence with a number, whose breaks depend on it, are one again."""
    at = 0
    while at < len(lines):
        end = at + 1
        while end < len(lines) and _goes_on(lines[end - 1], lines[end]):
            end += 1
        piece = lines[at:end]
        if end - at > 1 and any(map(str.isdigit, "".join(piece))):
            yield " ".join([piece[0], *(line.strip() for line in piece[1:])])
        else:
            yield from piece
        at = end


def _goes_on(line: str, below: str) -> bool:
    """Whether the first word below had no room at the end of the line, so that it may belong there."""
    if re.search(r"\S {2,}\S", below):  # a row of a table
        return False
    if _indented(below) < _indented(line):  # it begins something
        return False
    word = next(iter(below.split()), "")
    return bool(word) and word not in MARKS and cell_len(line) + 1 + cell_len(word) > COLUMNS


def _indented(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def beginnings(text: str) -> str:
    """The first word of each line that is not indented: what a host has stands behind it."""
    return "\n".join(line.split()[0] for line in text.splitlines() if line[:1].strip())


def events(text: str) -> str:
    """What a service logs where nothing disturbs it, without when, with what, and how often."""
    whole = re.sub(rf"^(.{{{COLUMNS}}})\n", r"\1", text, flags=re.MULTILINE)
    found = re.findall(r"\[info +\] (.+?)(?: {2,}|$)", whole, re.MULTILINE)
    return "\n".join(sorted(event for event in set(found) if not event.startswith(SOMETIMES)))


def table_alone(text: str) -> str:
    """A table, without what stands below it of a host."""
    return "\n".join(line for line in text.splitlines() if not OF_PROCESSES.match(line))


def until(mark: str) -> Callable[[str], str]:
    """What stands before the first line that begins so: what follows depends on the host, or on the moment."""

    def before(text: str) -> str:
        return re.split(rf"^{mark}", text, maxsplit=1, flags=re.MULTILINE)[0]

    return before


def row_of(name: str) -> Callable[[str], str]:
    """A table's header, and the row that has this name: which others there are is chance."""

    def kept(text: str) -> str:
        typed, header, *rows = text.splitlines()
        return "\n".join([typed, header, *(row for row in rows if name in row)])

    return kept


def own_rows(text: str) -> str:
    """Which statements of the program a table has: those of the runtime, and which columns have room, are chance."""
    before, header, table = re.split(r"^( *LIVE .*)$", text, maxsplit=1, flags=re.MULTILINE)
    rows, *after = re.split(r"^(?=counting took)", table, maxsplit=1, flags=re.MULTILINE)
    return "\n".join([before, header.split()[0], *sorted({*re.findall(r"\bmain\.\w+", rows)}), *after])


def acts(text: str) -> str:
    """Which acts an audit has, and whose: which columns fit on a line depends on how long pids are."""
    return "\n".join(sorted({" ".join(found) for found in re.findall(r"(probes-o\w+) +(local uid \d+)", text)}))


def pending(callback: str) -> Callable[[str], str]:
    """A table of timers as `row_of` has it; whether anybody waits just then is chance."""

    def kept(text: str) -> str:
        return re.sub(r"  -(?=  )", "  main.tick", row_of(callback)(text))

    return kept


def of_server(text: str) -> str:
    """That an HTTP server's connections have contexts: what is dialled just then is chance, and so are the columns."""
    return "held" if re.search(r"^ +\d+  held +cancel .* value \*http\.c", text, re.MULTILINE) else ""


def of_client(text: str) -> str:
    """That a client's connection to a host is shown: what it does just then is chance."""
    return "\n".join(sorted(set(re.findall(r"http://127\.0\.0\.1", text))))


def known_heaps(text: str) -> str:
    """GC cycles, without those of which the heap was read too late."""
    return "\n".join(line for line in text.splitlines() if not line.endswith(" -"))


def large_groups(text: str) -> str:
    """What a dump shows of the goroutines that are many; single ones do now this, now that."""
    return "\n".join(
        line for line in until(r" +\d{1,2}  (net|main)")(text).splitlines() if not re.match(r" +\d{1,2}  ", line)
    )
