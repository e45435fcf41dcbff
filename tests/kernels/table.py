"""The table of kernels in docs/platforms.md: a line for each kernel and processor, replaced when it is tried again."""

import datetime
import re
from collections.abc import Mapping, Sequence

from tests.kernels.architectures import Architecture
from tests.kernels.kernels import KERNELS, Kernel
from tests.kernels.outcome import Outcome
from tests.kernels.trials import ON_SUPPORTED, columns
from tests.paths import ROOT

PAGE = ROOT / "docs" / "platforms.md"
BEGIN, END = "<!-- kernels: `make test-kernels` writes this table -->\n", "<!-- end of kernels -->\n"
HEAD = ("kernel", "of", "processor", *ON_SUPPORTED, "tried on")


def line(kernel: Kernel, architecture: Architecture, outcome: Outcome) -> Sequence[str]:
    """The cells of a kernel.

    Each has how many tests passed of how many; on a kernel that is to be refused that they were is said.
    """
    wanted = columns(kernel)
    results = [_cell(kernel, wanted.get(column, ()), outcome) for column in ON_SUPPORTED]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    suite = f"{kernel.distribution.capitalize()} {kernel.suite}"
    return (outcome.release or f"{kernel.name}: did not boot", suite, architecture.name, *results, today)


def _cell(kernel: Kernel, tests: Sequence[str], outcome: Outcome) -> str:
    if not tests:
        return "not run"
    passed = len(tests) - len(outcome.not_passed(tests))
    if kernel.is_refused:
        return "refused" if passed == len(tests) else "not refused"
    return f"{passed} of {len(tests)}"


def write(lines: Sequence[Sequence[str]]) -> None:
    """Puts lines into the page, in place of those of the same suites and processors.

    Raises:
        ValueError: The page has no place for the table.
    """
    text = PAGE.read_text()
    before, begin, rest = text.partition(BEGIN)
    body, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no lines {BEGIN.strip()!r} and {END.strip()!r}")
    old = [tuple(re.split(r" \| ", row.strip("| "))) for row in body.splitlines()[2:]]
    rows = {(row[1], row[2]): row for row in (*old, *map(tuple, lines))}
    PAGE.write_text(before + begin + _table(rows) + end + after)


def _table(rows: Mapping[tuple[str, str], Sequence[str]]) -> str:
    order = {f"{kernel.distribution.capitalize()} {kernel.suite}": at for at, kernel in enumerate(KERNELS)}
    known = sorted((row for row in rows.values() if row[1] in order), key=lambda row: (row[2], order[row[1]]))
    cells = [HEAD, ("---",) * len(HEAD), *known]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells).replace("| --- |", "|---|").replace(" --- ", "---")
