"""`gosonde check`: fails when goroutines leak, for CI."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from gosonde_common import foreign
from gosonde_common.errors import GosondeError, UsageError

from gosonde_cli import here, tracing
from gosonde_cli.check import allowing, reports
from gosonde_cli.check.gaps import gaps
from gosonde_cli.check.outcome import Checked, NotCheckedError, Outcome, outcome
from gosonde_cli.options import Json, Pid, Process
from gosonde_cli.suspects.judging import Watching
from gosonde_cli.trace_document import as_document
from gosonde_cli.writing import write


class Format(StrEnum):
    """Format of the report."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(cls=tracing.WithProgram)(check)


def check(
    ctx: typer.Context,
    process: Process = "",
    *,
    pid: Pid = None,
    duration: tracing.Duration = None,
    source: tracing.SourceName = "",
    written: Annotated[Format, typer.Option("--format", help="Format of the report.")] = Format.TEXT,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report to FILE, not to standard output.")
    ] = None,
    as_json: Json = False,
    allow: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of known leaks, as described in docs/ci.md.")
    ] = None,
) -> None:
    """Fail if a Go program leaks goroutines: run it unchanged, or watch a running one.

    A running process: gosonde check orders

    A new process: gosonde check -- CMD ARGS

    Exits with 1 if goroutines leak, with 4 if CMD failed and nothing leaks,
    and with 5 if the check was not possible.
    """
    command: list[str] = ctx.obj
    which = here.chosen(process, pid)
    if bool(which) == bool(command):
        raise UsageError("say what to check with exactly one of PROCESS (or --pid N), or -- CMD ARGS")
    if as_json and written not in {Format.TEXT, Format.JSON}:
        raise UsageError(f"--json and --format {written} cannot both be")
    seconds = tracing.seconds_of(duration, command)
    known = allowing.read(allow) if allow else []
    with _failures_apart(), ExitStack() as probes:
        what = tracing.What(here.pid_of(which) if which else None, None, command, seconds, source)
        found = _checked(probes, what, known)
        _write(_rendered(found, Format.JSON if as_json else written), output)
        for pattern in found.unmatched:
            print(f"gosonde: matches nothing: {foreign.shown(pattern)}", file=sys.stderr)  # noqa: T201
    if found.exit_code:
        sys.exit(found.exit_code)


@contextmanager
def _failures_apart() -> Iterator[None]:
    """Whatever fails by itself must not look like a leak."""
    try:
        yield
    except GosondeError as error:
        if error.exit_code != 1:
            raise
        raise NotCheckedError(str(error)) from error
    except Exception as error:
        traceback.print_exc()
        raise NotCheckedError(f"the check failed: {error!r}") from error


def _checked(probes: ExitStack, what: tracing.What, allow: list[allowing.Allowed]) -> Outcome:
    watching = Watching()
    result = tracing.run(probes, what, watching, shows_progress=not what.command)
    document = as_document(result)
    process, source = document["process"], document["source"]
    verdict = watching.verdict(document["sites"], source, process["counted_ns"])
    missing = tuple(gaps(document, watching.reading))
    checked = Checked(process["pid"], process["exe"], source, process["counted_ns"], result.exit_code, missing)
    return outcome(checked, verdict, allow)


def _rendered(found: Outcome, written: Format) -> str:
    if written is Format.JUNIT:
        return reports.as_junit(found)
    if written is Format.TEXT:
        return "".join(f"{line}\n" for line in reports.as_text(found))
    document = found if written is Format.JSON else reports.as_sarif(found, Path.cwd())
    return f"{foreign.dumps(document, indent=2)}\n"


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    write("--output", output, [text])
