"""`gosonde leaks`: which goroutines of a process nothing alive can ever wake, proved from its memory."""

import sys
import time
from typing import Annotated

import typer

from gosonde_cli import here, leak_text, rendering
from gosonde_cli.importing import needing
from gosonde_cli.leak_census import Census
from gosonde_cli.leak_report import LeakProcess, LeakReport, Watched, report
from gosonde_cli.leak_rows import Shown
from gosonde_cli.options import Function, Json, Pid, Process, Sort, Wide
from gosonde_cli.suspects.creations import creations

#: So long growth is watched, even where the proof takes less.
WATCHED_SECONDS = 6.0
#: Exit code of `--exit-code` when goroutines are proved to have leaked.
LEAKED = 1


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(leaks)


def leaks(
    process: Process = "",
    *,
    pid: Pid = None,
    function: Function = "",
    sort: Sort = "",
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Show at most N go statements; by default 20 as text.")
    ] = None,
    wide: Wide = False,
    as_json: Json = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when something is proved.")] = False,
) -> None:
    """Show which goroutines can never run again, and what keeps the others alive.

    Takes about ten seconds, and does not stop the process. A proof takes five
    scans of memory over at least five seconds, or one scan while the process
    does not run.

    Needs no agent and no collector. Needs root for processes of other users.
    """
    shown = Shown(function, sort, limit)
    found = examined(here.pid_of(here.chosen(process, pid)))
    if as_json:
        rendering.print_json(shown.of(found))
    else:
        for line in leak_text.verdict(shown.of(found), rendering.columns(wide=wide), limit or leak_text.SITES):
            typer.echo(line)
    if exit_code and found.proved:
        sys.exit(LEAKED)


def examined(pid: int) -> LeakReport:
    """The verdict on a process of this host."""
    with needing("agent"):
        from gosonde_agent.golang import buildinfo  # noqa: PLC0415
        from gosonde_agent.golang.elf import ElfImage  # noqa: PLC0415
        from gosonde_agent.host import procfs  # noqa: PLC0415
        from gosonde_agent.sources.memory.reachability import examining  # noqa: PLC0415
        from gosonde_agent.sources.memory.target import opened  # noqa: PLC0415
    first, last = Census(), Census()
    with procfs.executable(pid) as (fd, path), opened(pid) as target:
        process = LeakProcess(pid, path, target.go_version, buildinfo.read_build_id(ElfImage(fd)))
        for _ in first.counted(target.goroutines(stacks=False)):
            pass
        proof = examining.examined(target)
        time.sleep(max(first.at_ns / 1e9 + WATCHED_SECONDS - time.monotonic(), 0))
        last = Census()
        made = creations(last.counted(target.goroutines()))
        age_ns = time.time_ns() - procfs.start_of(pid).unix_nano
        return report(process, proof, Watched(first, last, age_ns), made)
