"""`gosonde trace`: one process, no collector, the main job in one line."""

import dataclasses
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from gosonde_common.errors import UsageError

from gosonde_cli import here, rendering, timelines, trace_text, tracing
from gosonde_cli.options import Function, Json, Limit, Pid, Process, Sort, Wide
from gosonde_cli.suspects.judging import Watching
from gosonde_cli.suspects.verdict_text import verdict_lines
from gosonde_cli.trace_document import as_document


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(cls=tracing.WithProgram)(trace)


def trace(
    ctx: typer.Context,
    process: Process = "",
    *,
    pid: Pid = None,
    exe: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Watch the process that runs this file; if there is none, wait for one."),
    ] = None,
    duration: tracing.Duration = None,
    source: tracing.SourceName = "",
    perfetto: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also record what each goroutine does, as a trace that Perfetto opens."),
    ] = None,
    function: Function = "",
    sort: Sort = "",
    limit: Limit = 0,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Count the goroutines and GC pauses of one process for some time, and name likely leaks.

    A running process: gosonde trace orders

    A new process: gosonde trace -- CMD ARGS
    """
    command: list[str] = ctx.obj
    which = here.chosen(process, pid)
    if sum((bool(which), exe is not None, bool(command))) != 1:
        raise UsageError("say what to trace with exactly one of PROCESS (or --pid N), --exe PATH, or -- CMD ARGS")
    if perfetto is not None:
        timelines.refuse_unwritable(perfetto)
    shown = trace_text.Shown(function, sort, limit)
    target = here.pid_of(which) if which else None
    seconds = tracing.seconds_of(duration, command)
    with ExitStack() as probes:
        what = tracing.What(target, exe, command, seconds, source, perfetto is not None)
        watching = Watching()
        seen = tracing.run(probes, what, watching, shows_progress=not as_json)
        document = as_document(seen)
        if perfetto is not None:
            document["timeline"] = timelines.written(seen, perfetto)
        over_ns = document["process"]["counted_ns"]
        verdict = watching.verdict(document["sites"], document["source"], over_ns)
        if as_json:
            rows = shown.of(document).as_document()
            rendering.print_json(document | {"sites": rows} | dataclasses.asdict(verdict))
        else:
            trace_text.render(document, shown, wide=wide)
            console = rendering.console(wide=wide)
            for line in ("", *verdict_lines(verdict, over_ns, console.width)):
                console.print(line, markup=False, soft_wrap=True)
        sys.stdout.flush()  # the kernel takes its time to close the probes
