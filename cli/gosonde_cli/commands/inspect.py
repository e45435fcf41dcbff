"""`gosonde inspect`: what is known of a Go binary, where its probes go and why, and by which sources it is watched."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gosonde_cli import here, rendering
from gosonde_cli.importing import needing
from gosonde_cli.options import Json, Pid, Wide
from gosonde_cli.source_text import host_checks, on_host, said_of, source_document
from gosonde_cli.wrapping import Line, fitted

if TYPE_CHECKING:
    from gosonde_agent.golang.binary import GoBinary
    from gosonde_agent.sources.possible import Possibility


CREATOR = "runtime.newproc1"
#: Before what a line goes on with.
HANGING: Final = " " * 4


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(inspect)


def inspect(
    target: Annotated[
        str, typer.Argument(metavar="EXE|PROCESS", help="A file, a process id, or the name of an executable.")
    ] = "",
    *,
    pid: Pid = None,
    as_json: Json = False,
    wide: Wide = False,
) -> None:
    """Show what gosonde knows of a Go binary: version, probe points and their proofs, possible sources."""
    with needing("agent"):
        from gosonde_agent.golang import binary  # noqa: PLC0415
        from gosonde_agent.host import procfs  # noqa: PLC0415
        from gosonde_agent.sources.possible import of_binary  # noqa: PLC0415
    which = here.chosen(target, pid)
    is_file = "/" in which or (not which.isdecimal() and Path(which).is_file())
    process = None if is_file else here.pid_of(which)
    with procfs.file(which) if process is None else procfs.executable(process) as (fd, path):
        known = binary.load(fd, path)
        document = as_document(known, of_binary(on_host(host_checks()), known, fd, process))
    if as_json:
        rendering.print_json(document)
    else:
        for line in fitted(lines(document), rendering.columns(wide=wide)):
            typer.echo(line)


def as_document(binary: "GoBinary", sources: "Sequence[Possibility]") -> dict[str, Any]:
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
        "sources": [source_document(source) for source in sources],
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


def lines(document: dict[str, Any]) -> Iterator[Line | str]:
    """The document for people."""
    yield Line(document["exe"])
    functions = rendering.counted(document["functions"], "function")
    yield Line(f"  {document['go_version']} {document['architecture']}, {functions}", HANGING)
    yield Line(f"  build id {document['build_id']}", HANGING)
    pclntab, layout = document["pclntab"], document["layout"]
    yield Line(f"  pclntab at {pclntab['address']:#x}, found by {pclntab['found_by']}", HANGING)
    yield Line(
        f"  g.gopc at offset {layout['g_gopc']}, by {layout['source']} and the code of runtime.newproc1", HANGING
    )
    for probe in document["probes"]:
        yield ""
        yield Line(f"{probe['probe']}: {probe['function']}+{probe['offset']:#x}")
        yield Line(f"  {probe['instruction']} at {probe['address']:#x}, {probe['cost'].replace('_', ' ')}", HANGING)
        yield from (Line(f"  - {reason}", HANGING) for reason in probe["proof"])
    yield ""
    yield from _gopc_store_lines(document["gopc_store"])
    for name, reason in document["unproved"].items():
        yield ""
        yield Line(f"{name}: no probe. {reason}")
    yield ""
    yield from _source_lines(document["sources"])


def _gopc_store_lines(store: dict[str, Any] | None) -> Iterator[Line]:
    if store is None:
        yield Line("gopc_store: not proved; perf events cannot count this program")
        return
    yield Line(f"gopc_store: {store['function']}+{store['offset']:#x}, for perf events")
    yield Line(f"  {store['instruction']} at {store['address']:#x}", HANGING)
    yield from (Line(f"  - {reason}", HANGING) for reason in store["proof"])


def _source_lines(sources: Sequence[dict[str, Any]]) -> Iterator[Line]:
    yield Line("sources that can watch it on this host, the best first:")
    for source in sources:
        said, limits = said_of(source)
        yield Line(f"  {source['source']}: {said}", HANGING)
        yield from (Line(f"    {limit}", HANGING + "  ") for limit in limits)
