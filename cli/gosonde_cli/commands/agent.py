"""`gosonde agent`: the service on each host."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from gosonde_common.errors import UnsupportedError


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
    from gosonde_agent.config import AgentConfig, load  # noqa: PLC0415
    from gosonde_agent.helper import connect, start, without_privileges  # noqa: PLC0415
    from gosonde_agent.host.descriptors import check_enough  # noqa: PLC0415

    flags = {"collector": collector, "listen": listen, "helper": helper, "state": state, "exe": exe, "pid": pid}

    def reread() -> AgentConfig:
        return (load(config) if config else AgentConfig()).merged(flags)

    settings = reread()
    check_enough()
    path = settings.helper.removeprefix("unix:")
    there = connect(path) if path else start(settings.state)
    without_privileges(there)
    try:
        # Not before: libraries start threads, and the compiler of the probes and the agent are never large at once.
        from gosonde_agent import service  # noqa: PLC0415
        from gosonde_common import logs  # noqa: PLC0415
    except ImportError as error:
        module = error.name or str(error)
        raise UnsupportedError(f"the agent needs the Python module {module}: pip install 'gosonde[agent]'") from error
    logs.configure(json=as_json or not sys.stderr.isatty(), level=settings.log_level)
    service.run(settings, reread, there)
