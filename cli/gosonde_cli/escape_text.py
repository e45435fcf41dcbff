"""What the compiler says of escapes, for people."""

from collections.abc import Iterator
from itertools import groupby

from gosonde.escapes import EscapeLine, EscapingValue, FindingEscapes, PushedEscapes
from gosonde_common.values.escapes import NOT_WHO_HOLDS, SAMPLED

from gosonde_cli import rendering
from gosonde_cli.tables.shortening import OF_PATHS, shortened


def pushed_line(pushed: PushedEscapes) -> str:
    """What the collector keeps, in a sentence."""
    values, functions = rendering.counted(pushed.values, "value"), rendering.counted(pushed.functions, "function")
    packages = rendering.counted(pushed.packages, "package")
    remarks = {
        "no reasons: built with -m once": not pushed.is_detailed,
        f"{rendering.counted(pushed.foreign, 'line')} about libraries not kept": pushed.foreign,
        f"{rendering.counted(pushed.passed_over, 'line')} passed over": pushed.passed_over,
        f"no room for {pushed.left_out:,} values and functions": pushed.left_out,
        "cut off: the last line has no end": pushed.is_cut,
        "in place of an earlier output": pushed.has_replaced,
    }
    said = "".join(f"; {remark}" for remark, is_so in remarks.items() if is_so)
    return f"escapes of build {pushed.build_id}: {values} and {functions} of {packages}{said}"


def escape_lines(escapes: FindingEscapes, live: int, room: int) -> Iterator[str]:
    """Line by line of the source: which values escape, why, and what is in use."""
    for (function, file), lines in groupby(escapes.lines, key=lambda line: (line.function, line.file)):
        yield f"in {rendering.cell(function)}"
        yield f"  {shortened(rendering.cell(file), max(room - 2, 1), OF_PATHS)}"
        for line in lines:
            yield from _line(line)
    if escapes.lines_left_out:
        yield f"and on {rendering.counted(escapes.lines_left_out, 'line')} more"
    if not escapes.lines and not escapes.missing:
        yield "nothing escapes in these functions"
    for missing in escapes.missing:
        yield f"not known of {rendering.cell(missing.function)}: {rendering.cell(missing.why)}"
    yield from _sources(escapes, live)


def _line(line: EscapeLine) -> Iterator[str]:
    for value in line.values:
        yield f"  line {line.line}: {_value(value)}"
    if line.inuse_objects is not None and line.inuse_bytes is not None:
        in_use = rendering.counted(line.inuse_objects, "object")
        of = rendering.counted(line.alloc_objects or 0, "object")
        yield f"    in use: {in_use}, {rendering.size(line.inuse_bytes)}, of {of} that this line allocated"


def _value(value: EscapingValue) -> str:
    name, why = rendering.cell(value.name), rendering.cell(value.why)
    what = {"variable": f"the variable {name}", "parameter": f"what the parameter {name} points to"}
    return f"{what.get(value.kind, name)} escapes{': ' if why else ''}{why}"


def _sources(escapes: FindingEscapes, live: int) -> Iterator[str]:
    """Where all of this is from, and what it does not say."""
    yield f"compiler's output of {rendering.moment(escapes.stored_unix_nano)}"
    if not escapes.is_detailed:
        yield "without reasons, and of known lines alone: build with -gcflags='-m -m'"
    if escapes.heap_taken_unix_nano is None:
        yield "how much is in use is not known: no heap profile of the process was given"
        return
    yield f"heap profile of {rendering.moment(escapes.heap_taken_unix_nano)}: {SAMPLED}"
    yield f"{rendering.counted(live, 'goroutine')} of the go statement live: {NOT_WHO_HOLDS}"
