"""`gosonde goroutines`: every goroutine of a process, now, read from its memory without stopping it unless asked."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import gosonde_common
import typer
from gosonde_common.errors import UsageError
from gosonde_common.flames.colours import ColourBy

from gosonde_cli import here
from gosonde_cli.durations import seconds
from gosonde_cli.expressions import Expression
from gosonde_cli.goroutine_groups import By, Groups, groups_of
from gosonde_cli.goroutine_json import document
from gosonde_cli.goroutine_rows import Shown, print_rows, stacks, watch
from gosonde_cli.goroutine_text import one_by_one
from gosonde_cli.importing import needing, soon
from gosonde_cli.options import Json, Limit, Pid, Process, State, Watch, Wide
from gosonde_cli.stack_view import View
from gosonde_cli.writing import write, write_bytes

if TYPE_CHECKING:
    from gosonde_agent.snapshots.stopped import StoppedTarget
    from gosonde_agent.sources.memory.target import Target
    from gosonde_common.values.goroutines import Goroutine, GoroutineColumns

#: Characters.
PRINTED_AT_ONCE: Final = 1 << 16
#: Groups that are printed where nothing else is asked for.
LIMIT: Final = 100
MOST_WAIT_SECONDS: Final = 1e6 * 3600


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(goroutines)


def _regex(option: str, text: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(option, metavar="RE", help=text)
    return found


def goroutines(
    process: Process = "",
    *,
    pid: Pid = None,
    as_json: Json = False,
    profile: Annotated[
        Path | None, typer.Option("--pprof", metavar="FILE", help="Write a profile that go tool pprof opens.")
    ] = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write a flame graph.")] = None,
    colour: Annotated[
        ColourBy, typer.Option("--color", help="What the flame graph's colours say: state, age or count.")
    ] = ColourBy.STATE,
    scope: Annotated[
        Path | None, typer.Option("--speedscope", metavar="FILE", help="Write what speedscope.app opens.")
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="Print one by one, like pprof's debug=2.")] = False,
    stop: Annotated[
        bool,
        typer.Option("--stop", help="Stop the process five times for moments: running goroutines have stacks, too."),
    ] = False,
    focus: Annotated[str, _regex("--focus", "Only goroutines with a call whose function or file matches.")] = "",
    ignore: Annotated[str, _regex("--ignore", "No goroutines with such a call.")] = "",
    hide: Annotated[str, _regex("--hide", "Without such calls.")] = "",
    max_depth: Annotated[int, typer.Option(metavar="N", min=0, help="So many calls, the innermost; 0 for all.")] = 0,
    state: State = "",
    min_wait: Annotated[str, typer.Option(metavar="DURATION", help="Only those known to have waited so long.")] = "",
    runtime: Annotated[bool, typer.Option("--runtime", help="The runtime's own calls, too.")] = False,
    by: Annotated[By, typer.Option(help="In groups by stack, site or state.")] = By.STACK,
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", help="By goroutines, longest-wait, state or site.")
    ] = "goroutines",
    limit: Limit = LIMIT,
    wide: Wide = False,
    again: Watch = False,
) -> None:
    """Print every goroutine with its state, age, go statement and stack, without stopping the process unless asked."""
    forms = {"--json": as_json, "--pprof": profile, "--each": each, "--svg": svg, "--speedscope": scope}
    form = _only({**forms, "--watch": again})
    view = View(
        focus=Expression("--focus", focus) if focus else None,
        ignore=Expression("--ignore", ignore) if ignore else None,
        hide=Expression("--hide", hide) if hide else None,
        max_depth=max_depth,
        state=state,
        min_wait_ns=round(seconds("--min-wait", min_wait, MOST_WAIT_SECONDS) * 1e9) if min_wait else 0,
        runtime=runtime or form in {"--json", "--each"},
    )
    shown = Shown(by, sort, limit, wide)
    if profile is not None and view != View(runtime=runtime):
        raise UsageError("--pprof writes all goroutines: go tool pprof has --focus, --ignore and --hide itself")
    which = here.pid_of(here.chosen(process, pid))
    with _opened(which, is_stopped=stop) as target:
        if profile is not None:
            _write_profile(target.goroutines(), profile)
            return
        if again:
            watch(lambda: groups_of(view.of(target.goroutine_columns())), shown)
            return
        found = view.of(target.goroutine_columns())
        if as_json:
            _print(document(found))
        elif each:
            _print(one_by_one(found))
        elif svg is not None:
            write("--svg", svg, _picture(groups_of(found), by, colour, _title(which)))
        elif scope is not None:
            write("--speedscope", scope, _profile(groups_of(found), by, _title(which)))
        else:
            _print_groups(found, shown)


def _only(forms: dict[str, object]) -> str:
    """What is printed or written, or nothing for groups as text.

    Raises:
        UsageError: There are several.
    """
    asked = [flag for flag, value in forms.items() if value]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} exclude each other")
    return asked[0] if asked else ""


def _print_groups(found: "Iterable[GoroutineColumns]", shown: Shown) -> None:
    groups = groups_of(found)
    if shown.by is By.STACK:
        _print(f"{line}\n" for line in shown.lines(groups))
    else:
        print_rows(groups, shown)


def _picture(groups: Groups, by: By, colour: ColourBy, title: str) -> Iterator[str]:
    from gosonde_common.flames.svg import flame_graph  # noqa: PLC0415 - text needs none of it
    from gosonde_common.flames.tree import Tree  # noqa: PLC0415

    tree = Tree("all goroutines")
    for stack in stacks(groups, by):
        tree.add(stack)
    return flame_graph(tree, title, colour)


def _title(pid: int) -> str:
    return f"goroutines of pid {pid}, {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}"


def _profile(groups: Groups, by: By, title: str) -> Iterator[str]:
    from gosonde_common import foreign  # noqa: PLC0415
    from gosonde_common.flames import speedscope  # noqa: PLC0415

    yield foreign.dumps(speedscope.document(stacks(groups, by), title, f"gosonde {gosonde_common.__version__}"))
    yield "\n"


@contextmanager
def _opened(pid: int, *, is_stopped: bool) -> "Iterator[Target | StoppedTarget]":
    with needing("agent"), soon():
        from gosonde_agent.sources.memory.target import opened  # noqa: PLC0415
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

    write_bytes("--pprof", path, encode_profile(found, time.time_ns()))
