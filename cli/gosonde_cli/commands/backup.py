"""`gosonde backup`: a copy of the collector's store, while it runs."""

from pathlib import Path
from typing import Annotated

import typer
from gosonde.collector_client import CollectorClient
from gosonde_common import foreign
from gosonde_common.addresses import COLLECTOR_ADDRESS
from gosonde_common.errors import UsageError

from gosonde_cli import rendering
from gosonde_cli.options import Collector, Json


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(backup)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; it must not exist yet.")],
    *,
    json: Json = False,
    collector: Collector = COLLECTOR_ADDRESS,
) -> None:
    """Copy the collector's store while it runs; a collector can start from the copy."""
    draft = file.with_name(f".{file.name}.part")
    try:
        with CollectorClient(collector) as client, draft.open("xb") as output:
            for piece in client.backup():
                output.write(piece)
        file.hardlink_to(draft)
    except FileExistsError as error:
        raise UsageError(f"{error.filename2 or error.filename} is there already; name another file") from error
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    size = file.stat().st_size
    if json:
        rendering.print_json({"file": str(file), "size_bytes": size})
    else:
        typer.echo(f"{foreign.shown(file)}: {rendering.counted(size, 'byte')}")
