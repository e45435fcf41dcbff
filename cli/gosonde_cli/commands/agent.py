"""`gosonde agent`: the service on each host."""

from pathlib import Path
from typing import Annotated

import typer

from gosonde_cli.agent_process import become


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(agent)


def agent(
    *,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Configuration; flags win over it.")] = None,
    collector: Annotated[
        list[str] | None, typer.Option(metavar="HOST:PORT", help="Where to send; a second one is the fallback.")
    ] = None,
    listen: Annotated[str | None, typer.Option(metavar="unix:PATH", help="Where local queries are answered.")] = None,
    helper: Annotated[
        str | None, typer.Option(metavar="unix:PATH", help="Where the helper waits; default: it is started.")
    ] = None,
    state: Annotated[Path | None, typer.Option(metavar="DIR", help="What outlives a run.")] = None,
    exe: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Watch executables that match; default: all of Go.")
    ] = None,
    pid: Annotated[list[int] | None, typer.Option(metavar="N", help="Watch this process.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Log JSON also to a terminal.")] = False,
) -> None:
    """Watch the Go processes of this host, answer local queries, and feed the collector."""
    flags = {"collector": collector, "listen": listen, "helper": helper, "state": state, "exe": exe, "pid": pid}
    become(config, flags, as_json=as_json)
