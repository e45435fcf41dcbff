"""Options that several commands have: the same name, the same meaning, the same help."""

from typing import Annotated, Final

import typer

MAX_PID: Final = (1 << 32) - 1

Process = Annotated[str, typer.Argument(metavar="PROCESS", help="A pid, or the name of an executable.")]
Pid = Annotated[int | None, typer.Option(metavar="N", min=1, max=MAX_PID, help="The process, as PROCESS.")]
Exe = Annotated[str, typer.Option(metavar="GLOB", help="Only executables whose path or name matches.")]
Function = Annotated[str, typer.Option(metavar="TEXT", help="Only functions whose name contains it.")]
State = Annotated[str, typer.Option(metavar="TEXT", help="Only states that contain it.")]
Sort = Annotated[str, typer.Option(metavar="COLUMN", help="By a column: the largest numbers first, names by alphabet.")]
Limit = Annotated[int, typer.Option(metavar="N", min=0, help="At most so many rows; 0 for all.")]
Wide = Annotated[bool, typer.Option("--wide", help="Whole values, however wide the terminal is.")]
Watch = Annotated[bool, typer.Option("--watch", help="Again every two seconds until Ctrl-C; JSON in one line each.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; docs/json.md describes it.")]
Collector = Annotated[str, typer.Option(metavar="HOST:PORT", help="The collector to ask.")]
Host = Annotated[str, typer.Option(metavar="NAME", help="Only this host, as gosonde processes names it.")]
