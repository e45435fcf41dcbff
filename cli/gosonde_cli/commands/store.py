"""`gosonde store`: what is done to the collector's store while no collector runs."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from gosonde_common import foreign

from gosonde_cli import rendering
from gosonde_cli.importing import needing
from gosonde_cli.options import Json
from gosonde_cli.rendering import counted

if TYPE_CHECKING:
    from gosonde_collector.store.salvage import Salvaged

store = typer.Typer(no_args_is_help=True, help="Repair the store of a stopped collector.")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.add_typer(store, name="store")


@store.callback()
def _group() -> None:
    """Keeps `salvage` a command of its own, also while it is the only one."""


@store.command()
def salvage(
    *,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Configuration file of the collector.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the store.")] = None,
    json: Json = False,
) -> None:
    """Save what is readable of a damaged store in a new one, and keep the damaged files.

    Stop the collector first. A store that is not damaged stays as it is.
    """
    with needing("collector"):
        from gosonde_collector.config import CollectorConfig, load  # noqa: PLC0415
        from gosonde_collector.store.salvage import salvage as salvage_store  # noqa: PLC0415
    flags = {"data": data}
    settings = load(config, flags) if config else CollectorConfig().merged(flags)
    found = salvage_store(settings.data)
    if json:
        where = str(found.quarantine) if found.quarantine else None
        rendering.print_json({**asdict(found), "quarantine": where})
        return
    for line in _lines(found):
        typer.echo(line)


def _lines(found: "Salvaged") -> list[str]:
    if found.quarantine is None:
        return ["the store is not damaged; it is as it was before"]
    lines = [f"{table.name}: {counted(table.kept, 'row')} kept, {table.lost:,} lost" for table in found.tables]
    if found.log_bytes_lost:
        lines.append(f"write-ahead log: {counted(found.log_bytes_lost, 'byte')} lost")
    if found.damage:
        lines.append(f"nothing could be read, the new store is empty: {foreign.shown(found.damage)}")
    return [*lines, f"the damaged files are in {foreign.shown(found.quarantine)}; delete them when nobody needs them"]
