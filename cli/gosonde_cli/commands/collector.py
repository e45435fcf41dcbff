"""`gosonde collector`: the service in the centre."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from gosonde_common import logs

from gosonde_cli.importing import needing


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(collector)


def collector(
    *,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Configuration file; options override it.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address for agents and commands; unix:PATH works, too.")
    ] = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address for /metrics, /healthz and /readyz.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the store.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Log JSON to a terminal, too.")] = False,
) -> None:
    """Receive data from agents and profiles from users, store them, and find leaks."""
    with needing("collector", "the collector"):
        from gosonde_collector import service  # noqa: PLC0415
        from gosonde_collector.config import CollectorConfig, by_hand, load  # noqa: PLC0415

    def read() -> CollectorConfig:
        flags = {"listen": listen, "http": http, "data": data}
        return load(config, flags) if config else by_hand().merged(flags)

    settings = read()
    logs.configure(json=as_json or not sys.stderr.isatty(), level=settings.log_level)
    service.run(settings, read)
