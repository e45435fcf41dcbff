"""Containers for people: cells of tables, and a line of a finding."""

from typing import Final

from gosonde_common.values.containers import NO_CONTAINER, Container

from gosonde_cli.tables.columns import Column, Kind

#: Digits of an id that other tools show as well.
DIGITS: Final = 12
#: Of a row about a process. There are none where no row has a container.
COLUMNS: Final = (
    Column("POD", Kind.TEXT, 1, optional=True),
    Column("NAMESPACE", Kind.TEXT, 2, "namespace", optional=True),
    Column("WORKLOAD", Kind.TEXT, 3, optional=True),
    Column("CONTAINER", Kind.TEXT, 3, optional=True),
)


def cells(container: Container | None) -> tuple[str, ...]:
    """Those of COLUMNS. Where names are not known there are the pod's UID and the first digits of the id."""
    of = container or NO_CONTAINER
    return of.pod or of.pod_uid, of.namespace, of.workload, of.name or of.id[:DIGITS]


def line(container: Container) -> str:
    """What is known of it, in a line."""
    pod, namespace, workload, name = cells(container)
    parts = {"pod": f"{namespace}/{pod}" if namespace else pod, "container": name, "workload": workload}
    return ", ".join(f"{what} {text}" for what, text in parts.items() if text)
