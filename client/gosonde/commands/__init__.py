"""The subcommands, thin: each parses its flags, calls one function, and renders what comes back."""

import importlib

import typer

#: Modules of this package, in the order of `gosonde --help`. Each has `register(app)`.
MODULES: tuple[str, ...] = (
    "trace",
    "agent",
    "collector",
    "doctor",
    "inspect",
    "goroutines",
    "probes",
    "findings",
    "processes",
    "sites",
    "gc",
    "parks",
    "snapshot",
    "pprof",
    "backup",
    "gctrace",
)


def register(app: typer.Typer) -> None:
    """Adds every subcommand. A module imports what is heavy or optional inside its command, not at its top."""
    for name in MODULES:
        importlib.import_module(f"gosonde.commands.{name}").register(app)
