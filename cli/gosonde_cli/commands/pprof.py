"""`gosonde pprof`: hand the collector what pprof knows, or look at it without one."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer
from gosonde.collector_client import CollectorClient
from gosonde_common.addresses import COLLECTOR_ADDRESS
from gosonde_common.errors import InvalidInputError

from gosonde_cli import dump_text, escape_text, rendering
from gosonde_cli.importing import needing
from gosonde_cli.options import Collector, Json, Pid, Process, Wide
from gosonde_cli.pushing import HostOfProcess, owner, which_of
from gosonde_cli.snapshot_text import snapshot_line

pprof = typer.Typer(no_args_is_help=True, help="Send pprof profiles to the collector, or summarize one.")

if TYPE_CHECKING:
    from gosonde_collector.analysis.dumps import DumpSummary

READ_BYTES: Final = 1 << 20


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.add_typer(pprof, name="pprof")


@pprof.command()
def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The profile, of any format; - reads standard input.")],
    process: Process = "",
    *,
    escapes: Annotated[
        bool, typer.Option("--escapes", help="FILE is what go build -gcflags='-m -m' printed as it built the program.")
    ] = False,
    pid: Pid = None,
    host: HostOfProcess = "",
    json: Json = False,
    collector: Collector = COLLECTOR_ADDRESS,
) -> None:
    """Send a profile or a trace from /debug/pprof to the collector, compressed or not.

    PROCESS is the one that it is of: gosonde pprof push heap.pb.gz orders

    Goroutine and goroutineleak profiles may have debug=0, 1 or 2, the others debug=0. A
    trace (runtime/trace, Go 1.22 or newer) counts for what it says of blocking.

    What the compiler says of escapes goes to findings of every process of the
    same build: gosonde pprof push --escapes build.txt orders

    The time of a profile is the one inside it. Only debug=0 has one; of the
    others it is the time when FILE was last written.
    """
    which = which_of(process, pid)
    if escapes:
        _push_escapes(file, which, host, collector, json=json)
        return
    with _opened(file) as profile, CollectorClient(collector) as client:
        taken = file.stat().st_mtime_ns if file.is_file() else 0
        pushed = client.push_snapshot(profile, *owner(client, host, which), taken)
    if json:
        rendering.print_json(pushed)
    else:
        rendering.console().print(rendering.cell(snapshot_line(pushed)), markup=False)


def _push_escapes(file: Path, which: str, host: str, collector: str, *, json: bool) -> None:
    with _opened(file) as output, CollectorClient(collector) as client:
        pushed = client.push_escapes(output, *owner(client, host, which))
    if json:
        rendering.print_json(pushed)
    else:
        rendering.console().print(rendering.cell(escape_text.pushed_line(pushed)), markup=False)


@pprof.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The dump or profile; - reads standard input.")],
    *,
    json: Json = False,
    wide: Wide = False,
) -> None:
    """Summarize a goroutine dump: states, go statements, longest waits, causes and remedies.

    Reads what a Go program printed when it died (SIGQUIT, panic, deadlock), and
    goroutine profiles of any format; also pasted, logged or cut off.

    Needs no collector and no agent.
    """
    dump = _summarized(file)
    if json:
        rendering.print_json(dump)
        return
    name = "standard input" if str(file) == "-" else file.name
    for line in dump_text.summary(name, dump, rendering.columns(wide=wide)):
        typer.echo(line)


def _summarized(file: Path) -> "DumpSummary":
    with needing("collector"):
        from gosonde_collector.analysis.dumps import summarize  # noqa: PLC0415
        from gosonde_collector.evidence.model import TRACE, GoroutineProfile  # noqa: PLC0415
        from gosonde_collector.evidence.parse import parse_profile  # noqa: PLC0415
        from gosonde_collector.evidence.upload import ProfileUpload  # noqa: PLC0415
    upload = ProfileUpload()
    try:
        with _opened(file) as source:
            while piece := source.read(READ_BYTES):
                upload.feed(piece)
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror}") from error
    profile = parse_profile(upload.finish(), partial=True)
    if not isinstance(profile, GoroutineProfile):
        what, tool = (
            ("an execution trace", "trace") if profile.kind == TRACE else (f"a {profile.kind} profile", "pprof")
        )
        raise InvalidInputError(f"{file} is {what}, which shows no goroutines: use go tool {tool}")
    return summarize(profile)


def _opened(file: Path) -> AbstractContextManager[IO[bytes]]:
    """Raises InvalidInputError when it cannot be read."""
    try:
        return nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb")
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror}") from error
