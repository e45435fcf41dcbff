"""`gosonde contexts`: the contexts of a process that are not cancelled, read from its memory without stopping it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer
from gosonde_common import durations
from gosonde_common.errors import UsageError

from gosonde_cli import context_tree, here
from gosonde_cli.importing import needing, soon
from gosonde_cli.options import Function
from gosonde_cli.rendering import Figure, console, counted, duration_figure, print_json
from gosonde_cli.tables.asked import AskedOfList, add
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.showing import show
from gosonde_cli.tables.table import Row, Table

if TYPE_CHECKING:
    from gosonde_agent.sources.memory.contexts.values import ContextGroup, ContextTree, LiveContexts, MadeIn

MAX_SECONDS: Final = 86_400.0
GREW: Final = Column("GREW")
COLUMNS: Final = (
    Column("LIVE"),
    Column("CANCEL"),
    Column("KIND", rank=2),
    Column("MADE IN", Kind.FUNCTION),
    Column("WAITS IN", Kind.FUNCTION),
    Column("MADE FROM", Kind.TEXT, 1),
    Column("ENDS IN", rank=3),
    Column("WAITING", rank=4),
    Column("CHILDREN", rank=5),
)
NOTHING: Final = "-"


@dataclass(frozen=True)
class AskedOfContexts(AskedOfList):
    """Which contexts, and for how long to look.

    Raises:
        UsageError: `over` is no duration, or is to be repeated; `goroutine` comes with what is about groups.
    """

    function: Function = ""
    over: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="Read twice, so long apart, such as 10s, and show what grew.")
    ] = None
    goroutine: Annotated[
        int | None,
        typer.Option(metavar="GOID", min=1, help="Show the contexts of this goroutine as a tree, up to the roots."),
    ] = None

    def __post_init__(self) -> None:
        AskedOfList.__post_init__(self)
        if self.goroutine is not None and (self.over or self.function or self.sort or self.limit or self.watch):
            raise UsageError("--goroutine shows one tree: without --over, --function, --sort, --limit and --watch")
        if self.over is not None and self.watch:
            raise UsageError("--over reads twice and then ends: use it without --watch")
        _ = self.seconds

    @property
    def seconds(self) -> float:
        """Between two readings; 0 for one."""
        return 0.0 if self.over is None else durations.seconds("--over", self.over, MAX_SECONDS)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, contexts, AskedOfContexts)


def contexts(asked: AskedOfContexts) -> None:
    """List the contexts of a process that are not cancelled: which CancelFunc was forgotten, and who waits for them."""
    with needing("agent"), soon():
        from gosonde_agent.sources.memory import target  # noqa: PLC0415 - some hosts have no agent
        from gosonde_agent.sources.memory.contexts import listing, tree  # noqa: PLC0415
    with target.opened(here.pid_of(asked.which)) as opened:
        if asked.goroutine is not None:
            _print_tree(tree.read_tree(opened, asked.goroutine), asked)
        else:
            show(lambda: table(listing.read_contexts(opened, asked.seconds), asked.function), asked)


def _print_tree(tree: "ContextTree", asked: AskedOfContexts) -> None:
    missing = list(context_tree.gaps(tree))
    if asked.json:
        for gap in missing:
            typer.echo(gap, err=True)
        print_json(asdict(tree))
        return
    out = console(wide=asked.wide)
    for line in (*context_tree.lines(tree), *missing):
        out.print(line, markup=False, no_wrap=True, overflow="ellipsis", crop=True)


def table(found: "LiveContexts", function: str = "") -> Table:
    """The groups, and what is not known; those alone in which one function is named like that."""
    groups = [group for group in found.groups if any(function in name for name in _functions(group))]
    has_grown = any(group.grown is not None for group in found.groups)
    columns = (COLUMNS[0], GREW, *COLUMNS[1:]) if has_grown else COLUMNS
    rows = [Row(_cells(group), asdict(group)) for group in groups]
    notes = [f"{counted(found.live, 'live context')} in all"] if found.groups else []
    return Table(columns, rows, _nothing(found), notes, list(gaps(found)))


def gaps(found: "LiveContexts") -> Iterator[str]:
    """What is not known of them, in sentences."""
    if found.changing:
        yield f"not counted: {counted(found.changing, 'context')} made or ended while being read"
    if found.unnamed:
        yield f"not counted: {counted(found.unnamed, 'context')} that only a CancelFunc leads to"


def _nothing(found: "LiveContexts") -> str:
    if not found.has_package:
        return "The program does not use package context."
    return "No such context is live." if found.groups else "No context is live."


def _functions(group: "ContextGroup") -> Iterator[str]:
    yield from (group.waits_in, group.created_by, *(made.function for made in group.made_in))


def _cells(group: "ContextGroup") -> tuple[object, ...]:
    ends = group.next_deadline_ns
    return (
        group.live,
        *(() if group.grown is None else (group.grown,)),
        group.cancel.value,
        group.kind.value,
        _makers(group.made_in),
        group.waits_in or NOTHING,
        ", ".join(group.parents),
        Figure(-1, NOTHING) if ends is None else duration_figure(ends),
        group.waiting,
        group.children,
    )


def _makers(made_in: Sequence["MadeIn"]) -> str:
    """The function that made most of them, and how many others there are."""
    if not made_in:
        return NOTHING
    others = len({made.function for made in made_in} - {made_in[0].function})
    return f"{made_in[0].function} +{others}" if others else made_in[0].function
