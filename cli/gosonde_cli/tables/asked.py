"""What is asked of a list: the options that all lists have, and a command that takes them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar, get_type_hints

import typer
from gosonde_common.addresses import COLLECTOR_ADDRESS
from gosonde_common.errors import UsageError
from gosonde_common.values.containers import Container

from gosonde_cli.here import chosen
from gosonde_cli.options import (
    Collector,
    Exe,
    Host,
    Json,
    Limit,
    Namespace,
    Pid,
    Pod,
    Process,
    Sort,
    Watch,
    Wide,
    Workload,
)


@dataclass(frozen=True)
class AskedOfList:
    """Of any list. `process` is a pid or a name; empty where it is about all.

    Raises:
        UsageError: The process is named in both ways.
    """

    process: Process = ""
    pid: Pid = None
    sort: Sort = ""
    limit: Limit = 0
    wide: Wide = False
    watch: Watch = False
    json: Json = False

    def __post_init__(self) -> None:
        chosen(self.process, self.pid)

    @property
    def which(self) -> str:
        """A pid or a name, however it was given."""
        return chosen(self.process, self.pid)


@dataclass(frozen=True)
class Asked(AskedOfList):
    """Of a list with rows of several processes."""

    exe: Exe = ""


@dataclass(frozen=True)
class AskedOfCollector(Asked):
    """Of a list that a collector has."""

    host: Host = ""
    collector: Collector = COLLECTOR_ADDRESS


@dataclass(frozen=True)
class AskedOfContainers(AskedOfCollector):
    """Of a list whose rows have the names of containers.

    Raises:
        UsageError: A name is none that Kubernetes gives.
    """

    namespace: Namespace = ""
    pod: Pod = ""
    workload: Workload = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if fault := self.container.fault:
            raise UsageError(f"--{fault}, which is no name that Kubernetes gives: a-z, 0-9, '-' and '.' alone")

    @property
    def container(self) -> Container:
        """What is asked for of the container; the texts for what is not are empty."""
        return Container(namespace=self.namespace, pod=self.pod, workload=self.workload)


Options = TypeVar("Options", bound=AskedOfList)


def add(app: typer.Typer, command: Callable[[Options], None], options: type[Options]) -> None:
    """Adds a command whose arguments and options are the fields of a dataclass, which it is called with."""
    hints = get_type_hints(options, include_extras=True)

    def run(**given: Any) -> None:  # noqa: ANN401 - as the fields have it
        command(options(**given))

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {field.name: hints[field.name] for field in fields(options)}
    signature = inspect.Signature(
        [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
            )
            for field in fields(options)
        ]
    )
    run.__signature__ = signature  # type: ignore[attr-defined]
    app.command()(run)
