"""`gosonde probes`: detaches the probes of a program, or of all, at once; and attaches them again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from gosonde_common import places

from gosonde_cli import here, rendering
from gosonde_cli.importing import needing
from gosonde_cli.options import Json, Pid, Process, Wide
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.table import Row, Table, print_table

if TYPE_CHECKING:
    from gosonde_common.values import observation

COLUMNS = (Column("PID"), Column("EXE", Kind.PATH), Column("LEVEL"))
EMPTY = "The agent watches no process now; those to come are treated alike."

Agent = Annotated[
    str | None, typer.Option(metavar="unix:PATH", help="Socket of the agent. Default: the host's, or your own.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Detach probes from running programs, and attach them again.")
    group.command()(off)
    group.command()(on)
    app.add_typer(group, name="probes")


def off(process: Process = "", *, pid: Pid = None, agent: Agent = None, wide: Wide = False, json: Json = False) -> None:
    """Detach all probes, now: from the executable of PROCESS, or from everything, also from what starts later."""
    _switch(here.chosen(process, pid), agent, on=False, wide=wide, json=json)


def on(process: Process = "", *, pid: Pid = None, agent: Agent = None, wide: Wide = False, json: Json = False) -> None:
    """Put the probes in again."""
    _switch(here.chosen(process, pid), agent, on=True, wide=wide, json=json)


def _switch(which: str, agent: str | None, *, on: bool, wide: bool, json: bool) -> None:
    with needing("agent"):
        from gosonde.agent_client import AgentClient  # noqa: PLC0415
    with AgentClient(agent or places.reachable_agent_address()) as client:
        switched = client.switch_probes(here.pid_of(which) if which else None, on=on)
    if json:
        rendering.print_json([document(process) for process in switched])
    else:
        print_table(table(switched), wide=wide)


def table(switched: "Sequence[observation.Process]") -> Table:
    """The processes that it was done to."""
    return Table(COLUMNS, [Row(_cells(process)) for process in switched], EMPTY)


def _cells(process: "observation.Process") -> tuple[object, ...]:
    return rendering.pid_figure(process.key.pid), process.exe, process.level.value


def document(process: "observation.Process") -> dict[str, object]:
    """The JSON form; docs/json.md describes it."""
    return {"pid": process.key.pid, "exe": process.exe, "level": process.level.value}
