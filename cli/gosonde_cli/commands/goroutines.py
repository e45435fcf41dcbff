"""`gosonde goroutines`: every goroutine of a process, now, read from its memory without stopping it."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from gosonde_common import foreign
from gosonde_common.errors import UnsupportedError, UsageError

from gosonde_cli.goroutine_text import grouped, one_by_one

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import Goroutine, Location


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(goroutines)


def goroutines(
    pid: Annotated[int, typer.Argument(metavar="PID", help="The process.", min=1)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    profile: Annotated[
        Path | None, typer.Option("--pprof", metavar="FILE", help="Write a profile that go tool pprof opens.")
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="Print one by one, like pprof's debug=2.")] = False,
) -> None:
    """Print every goroutine with its state, age, go statement and stack, without stopping the process."""
    if sum((as_json, profile is not None, each)) > 1:
        raise UsageError("--json, --pprof and --each exclude each other")
    with _read(pid) as found:
        if profile is not None:
            _write_profile(found, profile)
        elif as_json:
            _print_json(found)
        else:
            for line in one_by_one(found) if each else grouped(found):
                print(line)  # noqa: T201


@contextmanager
def _read(pid: int) -> "Iterator[Iterator[Goroutine]]":
    try:
        from gosonde_agent.sources.memory.target import opened  # noqa: PLC0415
    except ImportError as error:
        raise UnsupportedError(f"this needs the Python module {error.name}: pip install 'gosonde[agent]'") from error
    with opened(pid) as target:
        yield target.goroutines()


def _write_profile(found: "Iterable[Goroutine]", path: Path) -> None:
    from gosonde_agent.wire.profile import encode_profile  # noqa: PLC0415

    data = encode_profile(found, time.time_ns())
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"--pprof {path}: {error.strerror}") from error


def _print_json(found: "Iterable[Goroutine]") -> None:
    """One array; printed as it is read, so that a million goroutines need no more memory than one."""
    separator = "["
    for goroutine in found:
        sys.stdout.write(f"{separator}\n  ")
        foreign.dump(as_document(goroutine), sys.stdout)
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def as_document(goroutine: "Goroutine") -> dict[str, Any]:
    """The JSON form; docs/goroutines.md describes it."""
    return {
        "goid": goroutine.goid,
        "status": goroutine.status,
        "wait_reason": goroutine.wait_reason,
        "wait_ns": goroutine.wait_ns,
        "created_by": _place(goroutine.created_by),
        "start_function": goroutine.start_function,
        "parent_goid": goroutine.parent_goid,
        "thread_id": goroutine.thread_id,
        "locked": goroutine.locked,
        "system": goroutine.system,
        "active": goroutine.active,
        "complete": goroutine.complete,
        "stack": [_place(frame) for frame in goroutine.stack],
    }


def _place(location: "Location") -> dict[str, Any]:
    return {"function": location.function, "file": location.file, "line": location.line}
