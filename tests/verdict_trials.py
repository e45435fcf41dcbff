"""Runs `gosonde trace` and `gosonde check` on labelled programs, and notes which `go` statements they name as leaks."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from gosonde_common.errors import GosondeError

from tests.busy_host import busy_host
from tests.go_programs import GoProgram, build
from tests.labelled_programs import Labelled

GOSONDE = str(Path(sys.executable).with_name("gosonde"))
#: Processes that are watched at a time: more would wait for a CPU instead.
AT_A_TIME: Final = 10
PATIENCE_S: Final = 600.0
#: Exit codes of a check that was made, and found no leak or some.
CHECKED: Final = (0, 1)
#: Where the document of a trace begins, behind what its program printed.
DOCUMENT: Final = '{\n  "source"'


@dataclass(frozen=True, slots=True)
class Situation:
    """How programs are looked at.

    Attributes:
        command: Of gosonde: trace or check.
        seconds: How long each is watched.
        age_s: How old each is at least when that begins; 0 for from its start.
    """

    name: str
    command: str
    seconds: float
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one program, statements as "function:line".

    Attributes:
        found: Whether its leak was named; False for a healthy one.
        too_early: Whether it was said of its leak, or of anything in a healthy one, that it is too early to say.
        others: Statements that were named and do not leak.
    """

    label: Labelled
    found: bool
    too_early: bool
    others: tuple[str, ...]


def run(
    labels: Sequence[Labelled], situations: Sequence[Situation], *, busy: bool, source: str = ""
) -> dict[Situation, list[Judged]]:
    """Looks at all programs in each situation, those that are older after the others.

    Args:
        busy: Whether two busy loops a core run beside them.
        source: By which source, as `--source` takes it; empty for the best.
    """
    executables = {label.name: build(label.name) for label in labels}
    with ExitStack() as stack:
        stack.enter_context(busy_host() if busy else nullcontext())
        began, old = time.monotonic(), {}
        if any(situation.age_s for situation in situations):
            old = {name: stack.enter_context(GoProgram(executable)).pid for name, executable in executables.items()}
        judged = {}
        for situation in sorted(situations, key=lambda one: one.age_s):
            time.sleep(max(began + situation.age_s - time.monotonic(), 0.0) if situation.age_s else 0.0)
            what = {
                name: [str(old[name])] if situation.age_s else ["--", str(executable)]
                for name, executable in executables.items()
            }
            judged[situation] = _all(situation, labels, what, source)
    return judged


def _all(situation: Situation, labels: Sequence[Labelled], what: dict[str, list[str]], source: str) -> list[Judged]:
    look: Callable[..., dict[str, Any]] = {"trace": _traced, "check": _checked}[situation.command]
    flags = ["--duration", str(situation.seconds), *(["--source", source] if source else [])]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        documents = pool.map(partial(look, flags), [what[label.name] for label in labels])
        return [_judged(label, document) for label, document in zip(labels, documents, strict=True)]


def _traced(flags: Sequence[str], what: Sequence[str]) -> dict[str, Any]:
    code, out = _done([GOSONDE, "trace", "--json", *flags, *what])
    if code:
        raise GosondeError(f"gosonde trace of {what[-1]} exited with {code}")
    document: dict[str, Any] = json.loads(out[out.index(DOCUMENT) :])
    return document


def _checked(flags: Sequence[str], what: Sequence[str]) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile("r", prefix="gosonde-checked.") as report:
        code, _ = _done([GOSONDE, "check", "--format", "json", "--output", report.name, *flags, *what])
        if code not in CHECKED:
            raise GosondeError(f"gosonde check of {what[-1]} exited with {code}")
        document: dict[str, Any] = json.load(report)
    if bool(document["leaks"]) != bool(code):
        raise GosondeError(f"gosonde check of {what[-1]} exited with {code} and named {document['leaks']}")
    return document | {"suspects": document["leaks"]}


def _done(command: Sequence[str]) -> tuple[int, str]:
    """(exit code, what it printed). Programs end when nobody can ask them anything: their standard input stays open."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        out = running.stdout.read()
        return running.wait(PATIENCE_S), out


def _judged(label: Labelled, document: dict[str, Any]) -> Judged:
    named, unclear = document["suspects"], document.get("too_early", [])
    others = (one for one in named if not _leaks(label, one) and one["function"] != label.also)
    return Judged(
        label,
        any(_leaks(label, one) for one in named),
        any(_leaks(label, one) or not label.leaks for one in unclear),
        tuple(sorted(_places(others))),
    )


def _leaks(label: Labelled, statement: dict[str, Any]) -> bool:
    return label.leaks and label.is_site(statement["function"], statement["file"], statement["line"])


def _places(statements: Iterator[dict[str, Any]]) -> Iterator[str]:
    return (f"{one['function']}:{one['line']}" for one in statements)
