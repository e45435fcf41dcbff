"""`gosonde probes`: detaches the probes of a program, or of all, at once; and attaches them again."""

from typing import TYPE_CHECKING, Annotated

import typer
from gosonde_common.addresses import AGENT_ADDRESS
from gosonde_common.errors import UnsupportedError

from gosonde_cli import rendering

if TYPE_CHECKING:
    from gosonde_common.values.observation import Process

COLUMNS = ("PID", "EXECUTABLE", "LEVEL")

Pid = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Only what this process runs; its other processes go along.")
]
Agent = Annotated[str, typer.Option(metavar="unix:PATH", help="Where the agent answers.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document; docs/json.md describes it.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Detach probes from programs, and attach them again.")
    group.command()(off)
    group.command()(on)
    app.add_typer(group, name="probes")


def off(*, pid: Pid = None, agent: Agent = AGENT_ADDRESS, json: Json = False) -> None:
    """Detach all probes, now: from one process's executable, or from everything, also from what starts later."""
    _switch(pid, agent, on=False, json=json)


def on(*, pid: Pid = None, agent: Agent = AGENT_ADDRESS, json: Json = False) -> None:
    """Put the probes in again."""
    _switch(pid, agent, on=True, json=json)


def _switch(pid: int | None, agent: str, *, on: bool, json: bool) -> None:
    try:
        from gosonde.agent_client import AgentClient  # noqa: PLC0415
    except ImportError as error:
        raise UnsupportedError(f"this needs the Python module {error.name}: pip install 'gosonde[agent]'") from error
    with AgentClient(agent) as client:
        switched = client.switch_probes(pid, on=on)
    if json:
        rendering.print_json([document(process) for process in switched])
    else:
        rows = ((str(process.key.pid), process.exe, process.level.value) for process in switched)
        rendering.print_table(COLUMNS, rows, "The agent watches no process now; those to come are treated alike.")


def document(process: "Process") -> dict[str, object]:
    """The JSON form; docs/json.md describes it."""
    return {"pid": process.key.pid, "exe": process.exe, "level": process.level.value}
