"""The subcommands, thin: each parses its flags, calls one function, and renders what comes back."""

import importlib

import typer

#: Modules of this package, in the order of `gosonde --help`: `register(app)` of each adds the command of its name.
MODULES: tuple[str, ...] = (
    "ps",
    "trace",
    "top",
    "check",
    "agent",
    "helper",
    "collector",
    "doctor",
    "inspect",
    "goroutines",
    "timers",
    "contexts",
    "http",
    "leaks",
    "probes",
    "findings",
    "processes",
    "sites",
    "gc",
    "parks",
    "audit",
    "snapshot",
    "pprof",
    "backup",
    "store",
    "gctrace",
)


def register(app: typer.Typer, wanted: str) -> None:
    """Adds the command that is named, and every one when that is none of them.

    The others stay unimported: gRPC, which most of them need, is not to be in memory while the probes are compiled. A
    module imports what is optional inside its command, not at its top.
    """
    for name in (wanted,) if wanted in MODULES else MODULES:
        importlib.import_module(f"gosonde_cli.commands.{name}").register(app)
