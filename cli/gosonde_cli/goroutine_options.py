"""What `gosonde goroutines` is asked for: which goroutines, in which form, and how they are grouped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from gosonde_common.durations import seconds
from gosonde_common.errors import UsageError
from gosonde_common.flames.colours import ColourBy
from gosonde_common.flames.placing import By
from gosonde_common.values.goroutines import MAX_STACKS

from gosonde_cli.expressions import Expression
from gosonde_cli.goroutine_rows import Shown
from gosonde_cli.label_view import Wanted
from gosonde_cli.options import Function, Limit, State
from gosonde_cli.stack_view import View
from gosonde_cli.tables.asked import AskedOfList

#: Groups that are printed where no other number is asked for, and their order.
LIMIT: Final = 100
SORT: Final = "goroutines"
MOST_WAIT_SECONDS: Final = 1e6 * 3600


def _regex(option: str, text: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(option, metavar="RE", help=text)
    return found


@dataclass(frozen=True)
class AskedOfGoroutines(AskedOfList):
    """Of the goroutines of a process."""

    sort: Annotated[str, typer.Option(metavar="COLUMN", help="Sort by goroutines, longest-wait, state or site.")] = SORT
    limit: Limit = LIMIT
    function: Function = ""
    state: State = ""
    min_wait: Annotated[str, typer.Option(metavar="DURATION", help="Only those known to have waited so long.")] = ""
    focus: Annotated[str, _regex("--focus", "Only goroutines with a call whose function or file matches.")] = ""
    ignore: Annotated[str, _regex("--ignore", "No goroutines with such a call.")] = ""
    hide: Annotated[str, _regex("--hide", "Without such calls.")] = ""
    max_depth: Annotated[int, typer.Option(metavar="N", min=0, help="So many calls, the innermost; 0 for all.")] = 0
    runtime: Annotated[bool, typer.Option("--runtime", help="The runtime's own calls, too.")] = False
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only goroutines with this pprof label; KEY alone for any value."),
    ] = None
    follow_children: Annotated[
        bool, typer.Option("--follow-children", help="With --label: those, too, that such goroutines have created.")
    ] = False
    by: Annotated[
        str,
        typer.Option(metavar="WHAT", help="In groups by stack, site, state, label (all of them), or one label's key."),
    ] = By.STACK.value
    stop: Annotated[
        bool,
        typer.Option("--stop", help="Stop the process briefly, five times, to get the stacks of running goroutines."),
    ] = False
    max_stacks: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Of more goroutines read the stacks of so many, by chance; 0 for all."),
    ] = MAX_STACKS
    each: Annotated[bool, typer.Option("--each", help="Print each goroutine by itself, like pprof's debug=2.")] = False
    profile: Annotated[
        Path | None, typer.Option("--pprof", metavar="FILE", help="Write a profile for go tool pprof.")
    ] = None
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write a flame graph.")] = None
    colour: Annotated[ColourBy, typer.Option("--color", help="Colour the flame graph by state, age or count.")] = (
        ColourBy.STATE
    )
    speedscope: Annotated[
        Path | None, typer.Option("--speedscope", metavar="FILE", help="Write a profile for speedscope.app.")
    ] = None

    @property
    def form(self) -> str:
        """The flag that asks for something else than groups as text; empty where none does.

        Raises:
            UsageError: Several do, or what is asked for cannot be had in that form.
        """
        files = {"--pprof": self.profile, "--svg": self.svg, "--speedscope": self.speedscope}
        given = [flag for flag, value in {"--json": self.json, "--each": self.each, **files}.items() if value]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other")
        form = given[0] if given else ""
        if self.watch and form not in {"", "--json"}:
            raise UsageError(f"{form} and --watch exclude each other")
        if form and (self.sort, self.limit) != (SORT, LIMIT):
            raise UsageError(f"--sort and --limit are about groups, and {form} has every goroutine")
        if form == "--pprof" and self.view != View(runtime=self.runtime):
            raise UsageError("--pprof writes all goroutines: go tool pprof has --focus, --ignore and --hide itself")
        return form

    @property
    def grouping(self) -> By:
        """What goroutines of one group have in common: by what is none of these it is the label with that key."""
        return By(self.by) if self.by in set(By) else By.LABEL

    @property
    def view(self) -> View:
        """Which goroutines, and which of their calls.

        Raises:
            UsageError: An expression or a duration is none, or there is no label whose children are to be followed.
        """
        if self.follow_children and not self.label:
            raise UsageError("--follow-children follows goroutines with a label: give --label KEY=VALUE, too")
        return View(
            focus=_expression("--focus", self.focus),
            ignore=_expression("--ignore", self.ignore),
            hide=_expression("--hide", self.hide),
            max_depth=self.max_depth,
            function=self.function,
            state=self.state,
            labels=Wanted.of(self.label or ()),
            follows_children=self.follow_children,
            by_label=("" if self.by == By.LABEL else self.by) if self.grouping is By.LABEL else None,
            min_wait_ns=round(seconds("--min-wait", self.min_wait, MOST_WAIT_SECONDS) * 1e9) if self.min_wait else 0,
            runtime=self.runtime or self.json or self.each,
        )

    @property
    def shown(self) -> Shown:
        """Which groups, in which order.

        Raises:
            UsageError: Such groups have no such order.
        """
        return Shown(self.grouping, self.sort, self.limit, self.wide)


def _expression(option: str, text: str) -> Expression | None:
    return Expression(option, text) if text else None
