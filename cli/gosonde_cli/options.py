"""Options that several commands have: the same name, the same meaning, the same help."""

from typing import Annotated, Final

import typer

MAX_PID: Final = (1 << 32) - 1

Process = Annotated[str, typer.Argument(metavar="PROCESS", help="A process id, or the name of an executable.")]
Pid = Annotated[int | None, typer.Option(metavar="N", min=1, max=MAX_PID, help="The same as PROCESS, as a process id.")]
Exe = Annotated[str, typer.Option(metavar="GLOB", help="Only executables whose path or name matches.")]
Function = Annotated[str, typer.Option(metavar="TEXT", help="Only functions whose name contains TEXT.")]
State = Annotated[str, typer.Option(metavar="TEXT", help="Only states that contain TEXT.")]
Sort = Annotated[
    str, typer.Option(metavar="COLUMN", help="Sort by this column: largest numbers first, names from A to Z.")
]
Limit = Annotated[int, typer.Option(metavar="N", min=0, help="Show at most N rows; 0 shows all.")]
Wide = Annotated[bool, typer.Option("--wide", help="Do not shorten lines to the width of the terminal.")]
Watch = Annotated[
    bool, typer.Option("--watch", help="Repeat every two seconds until Ctrl-C. With --json: one line each time.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as described in docs/json.md.")]
Collector = Annotated[str, typer.Option(metavar="HOST:PORT", help="The collector to ask.")]
Namespace = Annotated[str, typer.Option(metavar="NAME", help="Only this Kubernetes namespace.")]
Pod = Annotated[str, typer.Option(metavar="NAME", help="Only the pod with this name.")]
Workload = Annotated[
    str, typer.Option(metavar="NAME", help="Only pods of the Deployment, StatefulSet, DaemonSet or Job of this name.")
]
Host = Annotated[str, typer.Option(metavar="NAME", help="Only this host, named as in gosonde processes.")]
