"""Runs the agent's trace for a command, and shows how far it is."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer
from gosonde_common import durations
from gosonde_common.errors import NotFoundError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperCommand

from gosonde_cli.importing import needing, soon
from gosonde_cli.suspects.judging import Watching

if TYPE_CHECKING:
    from gosonde_agent.watch.trace.seen import Trace

DEFAULT_SECONDS: Final = 10.0
MAX_SECONDS: Final = 86_400.0

Duration = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS", help="How long to count, such as 10s or 2m. Default: 10s; with CMD: until it ends."
    ),
]
SourceName = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="How to count (see docs/commands.md). Default: the best way that this host allows."
    ),
]


class WithProgram(TyperCommand):
    """A command whose line may end with another one, after `--`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - which click it is of differs
        """Keeps what follows `--` as it is, in `ctx.obj`."""
        at = args.index("--") if "--" in args else len(args)
        ctx.obj = args[at + 1 :]
        return super().parse_args(ctx, args[:at])


def seconds_of(duration: str | None, command: Sequence[str]) -> float:
    """How long: as it was given, else until the command ends, else the default.

    Raises:
        UsageError: It was given, and is no duration.
    """
    if duration is not None:
        return durations.seconds("--duration", duration, MAX_SECONDS)
    return MAX_SECONDS if command else DEFAULT_SECONDS


class What(NamedTuple):
    """What to trace, for how long, by which source, and whether a timeline is recorded meanwhile."""

    pid: int | None
    exe: Path | None
    command: list[str]
    seconds: float
    source: str
    has_timeline: bool = False


def run(probes: ExitStack, what: What, watching: Watching, *, shows_progress: bool) -> "Trace":
    """What was seen; `probes` takes them out."""
    with needing("agent", "tracing"), soon():
        from gosonde_agent.watch.timeline.recording import Recorder  # noqa: PLC0415
        from gosonde_agent.watch.trace import attaching, tracing  # noqa: PLC0415
        from gosonde_common import logs  # noqa: PLC0415
    logs.configure(json=False)
    console = Console(stderr=True)
    if danger := attaching.danger(what.source):
        console.print(f"[bold]{danger}[/]", soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=console,
        transient=True,
        auto_refresh=False,
        disable=not (shows_progress and console.is_terminal),
    ) as bar:
        task = bar.add_task("attaching", total=what.seconds if what.seconds < MAX_SECONDS else None)
        bar.refresh()

        def on_step(elapsed: float, so_far: "Trace") -> None:
            created = sum(site.created for site in so_far.sites)
            exited = sum(site.exited for site in so_far.sites)
            bar.update(task, completed=elapsed, description=f"{created:,} created, {exited:,} exited", refresh=True)
            watching.step(elapsed, so_far)

        def say(text: str) -> None:
            bar.update(task, description=text, refresh=True)
            if bar.disable and console.is_terminal:
                console.print(f"gosonde: {text}", markup=False)

        def at_end(seen: "Trace") -> None:
            watching.end(seen, say)

        recorder = Recorder(what.seconds) if what.has_timeline else None
        how = (what.seconds, on_step, what.source)
        if what.pid is not None:
            return probes.enter_context(tracing.trace_pid(what.pid, *how, at_end=at_end, recorder=recorder))
        if what.exe is not None:
            return probes.enter_context(tracing.trace_exe(str(what.exe), *how, at_end=at_end, recorder=recorder))
        path = shutil.which(what.command[0])
        if path is None:
            raise NotFoundError(f"there is no command {what.command[0]!r} on PATH that may be run")
        return probes.enter_context(tracing.trace_command(what.command, path, *how, at_end=at_end, recorder=recorder))
