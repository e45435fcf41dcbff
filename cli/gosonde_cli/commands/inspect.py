"""`gosonde inspect`: what is known of a Go binary, and where its probes go and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from gosonde_common import foreign
from gosonde_common.errors import UnsupportedError
from rich.console import Console
from rich.markup import escape

from gosonde_cli import here, rendering
from gosonde_cli.options import Json, Pid

if TYPE_CHECKING:
    from gosonde_agent.golang.binary import GoBinary


CREATOR = "runtime.newproc1"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(inspect)


def inspect(
    target: Annotated[
        str, typer.Argument(metavar="EXE|PROCESS", help="A file; or the pid of a process, or its name.")
    ] = "",
    *,
    pid: Pid = None,
    as_json: Json = False,
) -> None:
    """Show what is known of a Go binary: version, layout, probe points and why they are safe."""
    try:
        from gosonde_agent.golang import binary  # noqa: PLC0415
        from gosonde_agent.host import procfs  # noqa: PLC0415
    except ImportError as error:
        raise UnsupportedError(f"this needs the Python module {error.name}: pip install 'gosonde[agent]'") from error
    which = here.chosen(target, pid)
    is_file = "/" in which or (not which.isdecimal() and Path(which).is_file())
    opened = procfs.file(which) if is_file else procfs.executable(here.pid_of(which))
    with opened as (fd, path):
        document = as_document(binary.load(fd, path))
    if as_json:
        rendering.print_json(document)
    else:
        _render(foreign.shown_within(document))


def as_document(binary: "GoBinary") -> dict[str, Any]:
    """The JSON document; docs/json.md describes it."""
    return {
        "exe": binary.path,
        "go_version": binary.go_version,
        "build_id": binary.build_id,
        "architecture": binary.architecture,
        "size_bytes": binary.identity.size,
        "functions": binary.pclntab.function_count,
        "pclntab": {"address": binary.pclntab.vaddr, "found_by": binary.pclntab.header.found_by},
        "layout": {"g_gopc": binary.layout.gopc, "source": binary.layout.source},
        "probes": [
            {
                "probe": point.probe,
                "function": point.function,
                "address": point.vaddr,
                "offset": point.offset,
                "file_offset": binary.file_offsets[name],
                "instruction": point.instruction,
                "cost": point.cost.name.lower(),
                "proof": list(point.proof),
            }
            for name, point in binary.points.items()
        ],
        "unproved": dict(binary.unproved),
        "gopc_store": _gopc_store(binary),
    }


def _gopc_store(binary: "GoBinary") -> dict[str, Any] | None:
    store = binary.gopc_store
    if store is None:
        return None
    return {
        "function": CREATOR,
        "address": store.vaddr,
        "offset": store.offset,
        "file_offset": binary.file_offsets["gopc_stored"],
        "instruction": store.instruction,
        "goroutine_in": store.g,
        "statement_in": store.site,
        "proof": list(store.proof),
    }


def _render(document: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(f"[bold]{escape(document['exe'])}[/]", soft_wrap=True)
    console.print(f"  {escape(document['go_version'])} {document['architecture']}, {document['functions']:,} functions")
    console.print(f"  build id {escape(document['build_id'])}", soft_wrap=True)
    console.print(f"  pclntab at {document['pclntab']['address']:#x}, found by {document['pclntab']['found_by']}")
    layout = document["layout"]
    console.print(f"  g.gopc at offset {layout['g_gopc']}, by {layout['source']} and the code of runtime.newproc1")
    for probe in document["probes"]:
        console.print(f"\n[bold]{probe['probe']}[/]: {escape(probe['function'])}+{probe['offset']:#x}", soft_wrap=True)
        console.print(f"  {escape(probe['instruction'])} at {probe['address']:#x}, {probe['cost'].replace('_', ' ')}")
        for reason in probe["proof"]:
            console.print(f"  - {reason}", soft_wrap=True, markup=False)
    _render_gopc_store(console, document["gopc_store"])
    for probe, reason in document["unproved"].items():
        console.print(f"\n[bold red]{probe}[/]: no probe. {escape(reason)}", soft_wrap=True)


def _render_gopc_store(console: Console, store: dict[str, Any] | None) -> None:
    if store is None:
        console.print("\n[bold red]gopc_store[/]: not proved; perf events cannot count this program")
        return
    console.print(f"\n[bold]gopc_store[/]: {store['function']}+{store['offset']:#x}, for perf events", soft_wrap=True)
    console.print(f"  {escape(store['instruction'])} at {store['address']:#x}")
    for reason in store["proof"]:
        console.print(f"  - {reason}", soft_wrap=True, markup=False)
