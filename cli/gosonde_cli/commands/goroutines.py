"""`gosonde goroutines`: every goroutine of a process, now, read from its memory without stopping it unless asked."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from gosonde_common.errors import UnsupportedError, UsageError

from gosonde_cli import here
from gosonde_cli.goroutine_json import document
from gosonde_cli.goroutine_text import grouped, one_by_one
from gosonde_cli.importing import soon
from gosonde_cli.options import Json, Pid, Process

if TYPE_CHECKING:
    from gosonde_agent.snapshots.stopped import StoppedTarget
    from gosonde_agent.sources.memory.target import Target
    from gosonde_common.values.goroutines import Goroutine

#: Characters.
PRINTED_AT_ONCE: Final = 1 << 16


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(goroutines)


def goroutines(
    process: Process = "",
    *,
    pid: Pid = None,
    as_json: Json = False,
    profile: Annotated[
        Path | None, typer.Option("--pprof", metavar="FILE", help="Write a profile that go tool pprof opens.")
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="Print one by one, like pprof's debug=2.")] = False,
    stop: Annotated[
        bool,
        typer.Option("--stop", help="Stop the process five times for moments: running goroutines have stacks, too."),
    ] = False,
) -> None:
    """Print every goroutine with its state, age, go statement and stack, without stopping the process unless asked."""
    if sum((as_json, profile is not None, each)) > 1:
        raise UsageError("--json, --pprof and --each exclude each other")
    with _opened(here.pid_of(here.chosen(process, pid)), is_stopped=stop) as target:
        if profile is not None:
            _write_profile(target.goroutines(), profile)
        elif as_json:
            _print(document(target.goroutine_columns()))
        elif each:
            _print(one_by_one(target.goroutine_columns()))
        else:
            _print(f"{line}\n" for line in grouped(target.goroutine_columns()))


@contextmanager
def _opened(pid: int, *, is_stopped: bool) -> "Iterator[Target | StoppedTarget]":
    try:
        with soon():
            from gosonde_agent.sources.memory.target import opened  # noqa: PLC0415
    except ImportError as error:
        raise UnsupportedError(f"this needs the Python module {error.name}: pip install 'gosonde[agent]'") from error
    with opened(pid) as target:
        yield _stopped(target) if is_stopped else target


def _stopped(target: "Target") -> "StoppedTarget":
    from gosonde_agent.snapshots.stopped import StoppedTarget  # noqa: PLC0415

    return StoppedTarget(target)


def _print(pieces: Iterable[str]) -> None:
    """Writes each piece soon after it was made, but not each by itself."""
    kept: list[str] = []
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size >= PRINTED_AT_ONCE:
            sys.stdout.write("".join(kept))
            kept.clear()
            size = 0
    sys.stdout.write("".join(kept))


def _write_profile(found: "Iterable[Goroutine]", path: Path) -> None:
    from gosonde_agent.wire.profile import encode_profile  # noqa: PLC0415

    data = encode_profile(found, time.time_ns())
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"--pprof {path}: {error.strerror}") from error
