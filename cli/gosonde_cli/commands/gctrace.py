"""`gosonde gctrace`: hand the collector what a program says of its garbage collections."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from gosonde.collector_client import CollectorClient
from gosonde.explanations import PushedTrace
from gosonde_common.addresses import COLLECTOR_ADDRESS
from gosonde_common.errors import InvalidInputError

from gosonde_cli import rendering
from gosonde_cli.following import arriving, followed, pieces
from gosonde_cli.options import Collector, Json, Pid, Process
from gosonde_cli.pushing import HostOfProcess, owner, which_of

gctrace = typer.Typer(no_args_is_help=True, help="Send gctrace logs to the collector.")

#: A piece is sent when it is this large, or, while a log grows, this old.
PIECE_BYTES: Final = 1 << 20
PIECE_SECONDS: Final = 2.0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.add_typer(gctrace, name="gctrace")


@gctrace.callback()
def group() -> None:
    """Keeps `push` a subcommand while it is the only one."""


@gctrace.command()
def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What it wrote to stderr; - reads standard input.")],
    process: Process = "",
    *,
    pid: Pid = None,
    host: HostOfProcess = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep reading as FILE grows or is replaced, like tail -F.")
    ] = False,
    json: Json = False,
    collector: Collector = COLLECTOR_ADDRESS,
) -> None:
    """Send the gctrace lines of a log to the collector; other lines are skipped.

    From journald: journalctl -f -o cat _PID=4711 | gosonde gctrace push - 4711
    """
    which = which_of(process, pid)
    with CollectorClient(collector) as client:
        whose = owner(client, host, which)
        cycles = others = 0
        for piece in pieces(_lines(file, follow=follow), PIECE_BYTES, PIECE_SECONDS, time.monotonic):
            try:
                pushed = client.push_gctrace(piece, *whose)
            except InvalidInputError as error:
                if not follow:
                    raise
                typer.echo(f"passed over: {error}", err=True)
                continue
            _say(pushed, json=json)
            cycles, others = cycles + pushed.cycles, others + pushed.others
    if not cycles:
        raise InvalidInputError(
            f"{file} reports no garbage collection: of {rendering.counted(others, 'line')} none is one of gctrace's; "
            f"run the program with GODEBUG=gctrace=1 and give what it writes to standard error"
        )


def _lines(file: Path, *, follow: bool) -> Iterator[bytes]:
    if str(file) == "-":
        yield from arriving(sys.stdin.buffer)
    elif follow:
        yield from followed(file)
    else:
        try:
            with file.open("rb") as source:
                yield from arriving(source)
        except OSError as error:
            raise InvalidInputError(f"cannot read {file}: {error.strerror}") from error


def _say(pushed: PushedTrace, *, json: bool) -> None:
    if json:
        rendering.print_json_line(pushed)
        return
    compared = "none of them was seen by the probes"
    if pushed.agreeing + pushed.differing:
        largest = rendering.duration(pushed.largest_difference_ns)
        compared = (
            f"{pushed.agreeing} as long as the probes measured, {pushed.differing} not; largest difference {largest}"
        )
    cycles, others = rendering.counted(pushed.cycles, "cycle"), rendering.counted(pushed.others, "other line")
    torn = f", {pushed.torn} of them torn" if pushed.torn else ""
    rendering.console().print(f"{cycles}, {others}{torn}; {compared}", markup=False)
