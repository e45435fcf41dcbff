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
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Configuration file; options override it.")
    ] = None,
    collector: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", help="Collector to send to; repeat the option for fallbacks."),
    ] = None,
    listen: Annotated[str | None, typer.Option(metavar="unix:PATH", help="Socket for local commands.")] = None,
    helper: Annotated[
        str | None,
        typer.Option(metavar="unix:PATH", help="Socket of the privileged helper. Default: the agent starts one."),
    ] = None,
    state: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for data that a restart needs.")] = None,
    host: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name to report for this host. Default: the host's own.")
    ] = None,
    kubelet: Annotated[
        str | None, typer.Option(metavar="URL", help="Kubelet to ask for names of containers, https://HOST:PORT.")
    ] = None,
    exe: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB", help="Watch only executables that match; may be repeated. Default: all Go programs."
        ),
    ] = None,
    pid: Annotated[list[int] | None, typer.Option(metavar="N", help="Watch this process; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Log JSON to a terminal, too.")] = False,
) -> None:
    """Watch the Go processes of this host, answer local commands, and send to a collector."""
    flags = {
        "collector": collector, "listen": listen, "helper": helper, "state": state, "host": host, "exe": exe,
        "pid": pid, "kubelet": kubelet,
    }  # fmt: skip
    become(config, flags, as_json=as_json)
