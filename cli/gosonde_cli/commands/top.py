"""`gosonde top`: what happens at each go statement, live."""

from typing import Annotated

import typer
from gosonde_common.errors import UsageError

from gosonde_cli import here
from gosonde_cli.options import Exe, Host, Pid, Process
from gosonde_cli.top.screen import refuse_without_terminal


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(top)


def top(
    process: Process = "",
    *,
    pid: Pid = None,
    collector: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Show the processes of this collector instead of one of this host."),
    ] = "",
    host: Host = "",
    exe: Exe = "",
) -> None:
    """Show live how many goroutines each go statement has, creates and ends; press ? for the keys.

    A process of this host needs no collector: gosonde top orders
    """
    which = here.chosen(process, pid)
    if not collector and (host or exe):
        raise UsageError("--host and --exe choose among what a collector knows: give --collector HOST:PORT, too")
    if not (collector or which):
        raise UsageError("say what to show: PROCESS (or --pid N) of this host, or --collector HOST:PORT")
    refuse_without_terminal()
    from gosonde_cli.top import running  # noqa: PLC0415 - only now is it needed

    if collector:
        from gosonde_cli.tables.asked import AskedOfCollector  # noqa: PLC0415
        from gosonde_cli.top.collector_feed import CollectorFeed  # noqa: PLC0415 - its modules take a while to import

        running.run(CollectorFeed(AskedOfCollector(process=which, exe=exe, host=host, collector=collector)))
    else:
        from gosonde_cli.top.process_feed import ProcessFeed  # noqa: PLC0415

        running.run(ProcessFeed(which))
