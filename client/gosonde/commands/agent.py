"""`gosonde agent`: the service on each host."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gosonde import logs
from gosonde.errors import UnsupportedError


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
    state: Annotated[Path | None, typer.Option(metavar="DIR", help="What outlives a run.")] = None,
    exe: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Watch executables that match; default: all of Go.")
    ] = None,
    pid: Annotated[list[int] | None, typer.Option(metavar="N", help="Watch this process.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Log JSON also to a terminal.")] = False,
) -> None:
    """Watch the Go processes of this host, answer local queries, and feed the collector."""
    from gosonde_agent.config import AgentConfig, load  # noqa: PLC0415

    flags = {"collector": collector, "listen": listen, "state": state, "exe": exe, "pid": pid}

    def reread() -> AgentConfig:
        return (load(config) if config else AgentConfig()).merged(flags)

    settings = reread()
    logs.configure(json=as_json or not sys.stderr.isatty(), level=settings.log_level)
    try:
        from gosonde_agent import service  # noqa: PLC0415
    except ImportError as error:
        raise UnsupportedError(_how_to_get(error.name or str(error))) from error
    service.run(settings, reread)


def _how_to_get(module: str) -> str:
    if module.partition(".")[0] == "bcc":
        return (
            "the agent needs bcc: install the distribution's python3-bpfcc, and make the virtual environment with "
            "/usr/bin/python3 -m venv --system-site-packages (the name on PyPI is another project)"
        )
    return f"the agent needs the Python module {module}: pip install 'gosonde[agent]'"
