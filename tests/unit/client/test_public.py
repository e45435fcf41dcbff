"""What is public is there, is complete, is the same for both clients, and brings nothing else with it."""

import ast
import dataclasses
import importlib
import inspect
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Any

import gosonde
import gosonde.observed
import pytest
from gosonde_pb.v1 import agent_pb2, collector_pb2

from scripts import generate_client
from tests.paths import ROOT

BOTH = [
    (gosonde.AgentClient, gosonde.AsyncAgentClient, agent_pb2.DESCRIPTOR.services_by_name["AgentService"]),
    (
        gosonde.CollectorClient,
        gosonde.AsyncCollectorClient,
        collector_pb2.DESCRIPTOR.services_by_name["CollectorService"],
    ),
]
#: Who only wants to ask needs none of these.
FOREIGN = ("gosonde_agent", "gosonde_collector", "gosonde_cli", "typer", "rich", "numpy", "duckdb", "structlog")


def methods(kind: type) -> dict[str, Callable[..., Any]]:
    return {name: made for name, made in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def imported_for_types() -> dict[str, object]:
    """What `gosonde/__init__.py` tells type checkers that each name is."""
    (block,) = [node for node in ast.parse(inspect.getsource(gosonde)).body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {
        name.name: getattr(importlib.import_module(str(one.module)), name.name) for one in imports for name in one.names
    }


def test_every_public_name_is_what_type_checkers_are_told_that_it_is() -> None:
    told = imported_for_types()

    assert {*told, "__version__"} == set(gosonde.__all__) == set(dir(gosonde))
    assert {name: getattr(gosonde, name) for name in told} == told


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'NoSuchClient'"):
        _ = gosonde.NoSuchClient


def kinds(hint: Any, seen: set[type]) -> set[type]:
    """Every class of ours that a type names, and those of its fields."""
    for argument in typing.get_args(hint):
        kinds(argument, seen)
    if inspect.isclass(hint) and hint.__module__.startswith("gosonde") and hint not in seen:
        seen.add(hint)
        has_fields = dataclasses.is_dataclass(hint) or hasattr(hint, "_fields")
        for field in typing.get_type_hints(hint).values() if has_fields else ():
            kinds(field, seen)
    return seen


@pytest.mark.parametrize("client", [one for pair in BOTH for one in pair[:2]])
def test_all_that_a_client_takes_and_gives_is_public(client: type) -> None:
    seen: set[type] = set()
    plain = set(methods(client))
    for name in plain:
        for hint in typing.get_type_hints(getattr(client, name)).values():
            kinds(hint, seen)

    public = {getattr(module, name) for module in (gosonde, gosonde.observed) for name in module.__all__}
    assert len(seen) > 10
    assert {one.__name__ for one in seen if one not in public} == set()


@pytest.mark.parametrize(("blocking", "waiting", "service"), BOTH)
def test_both_clients_have_the_same_methods_with_the_same_arguments(
    blocking: type, waiting: type, service: Any
) -> None:
    first, second = methods(blocking), methods(waiting)

    assert set(first) == set(second)
    assert len(first) > len(service.methods)
    for name in set(first):
        taken = [inspect.signature(one[name]).parameters for one in (first, second)]
        assert taken[0] == taken[1], name


@pytest.mark.parametrize(("blocking", "waiting", "service"), BOTH)
def test_every_call_of_the_protocol_can_be_made(blocking: type, waiting: type, service: Any) -> None:
    calls = {method.name for method in service.methods}

    assert called(blocking) == called(waiting) == calls


def called(client: type) -> set[str]:
    """The calls of the protocol that are made in a client's code."""
    tree = ast.parse(inspect.getsource(client).lstrip())
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_stub(node.value)}


def is_stub(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "_stub"


def test_the_client_that_blocks_is_what_is_generated_from_the_other() -> None:
    made = generate_client.generated()

    assert len(made) == 2
    for path, text in made.items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)} is not what `make client` writes"


def modules_after(statement: str) -> Iterator[str]:
    """The names of top-level packages that are imported after a statement, in a fresh interpreter."""
    report = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run((sys.executable, "-c", report), capture_output=True, text=True, timeout=120, check=True)
    yield from done.stdout.split()


def test_all_public_names_together_import_neither_agent_nor_collector_nor_command() -> None:
    got = set(modules_after("from gosonde import *; from gosonde.observed import *; CollectorClient"))

    assert {"gosonde", "grpc"} <= got
    assert got & set(FOREIGN) == set()


def test_errors_and_the_version_need_no_grpc() -> None:
    got = set(modules_after("import gosonde; gosonde.UnavailableError, gosonde.__version__"))

    assert "gosonde" in got
    assert got & {"grpc", "google", *FOREIGN} == set()


def test_the_client_says_that_it_has_types() -> None:
    for package in ("client/gosonde", "common/gosonde_common", "proto/gosonde_pb"):
        assert (ROOT / package / "py.typed").is_file()
