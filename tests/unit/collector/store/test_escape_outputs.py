"""What the compiler says of a build is stored once, comes back file by file, and makes room for what is newer."""

from dataclasses import replace
from itertools import count

import pytest
from gosonde_collector.evidence.escapes.model import EXPRESSION, VARIABLE, Escapes, Function, Value
from gosonde_collector.store import escape_outputs
from gosonde_collector.store.duckdb import DuckDBStore

from tests.unit.collector.batches import batch

VALUES = (
    Value("shop", "./main.go", 7, 2, VARIABLE, "n", "captured by a closure at line 9", "leak", ("f", "g")),
    Value("shop/a", "a/\u202e.go", 8, 0, EXPRESSION, "&job{...}"),
)
OUTPUT = Escapes(VALUES, (Function("shop", "./main.go", 3, "leak"),), is_detailed=True)


def test_an_output_comes_back_by_the_names_of_its_files(store: DuckDBStore) -> None:
    assert not store.save_escapes("build", OUTPUT)
    read = store.escapes("build", ["main.go", "\u202e.go", "other.go"])
    assert read
    assert (read.escapes, read.stored_unix_nano > 0) == (OUTPUT, True)
    one = store.escapes("build", ["main.go"])
    assert one
    assert (one.escapes.values, one.escapes.functions) == (VALUES[:1], OUTPUT.functions)
    assert store.escapes("another build", ["main.go"]) is None


def test_a_newer_output_takes_the_place_of_the_older_and_may_be_empty(store: DuckDBStore) -> None:
    store.save_escapes("build", OUTPUT)
    assert store.save_escapes("build", replace(OUTPUT, values=VALUES[1:], functions=(), is_detailed=False))
    read = store.escapes("build", ["main.go", "\u202e.go"])
    assert read
    assert read.escapes == Escapes(VALUES[1:])
    store.save_escapes("build", Escapes())
    empty = store.escapes("build", ["main.go"])
    assert empty
    assert empty.escapes == Escapes()


@pytest.mark.parametrize(("limit", "kept"), [("MOST_BUILDS", 3), ("MOST_ROWS", 9)])
def test_the_outputs_that_came_first_make_room(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch, limit: str, kept: int
) -> None:
    clock = count(10**18)
    monkeypatch.setattr(store, "_now", lambda: next(clock))
    monkeypatch.setattr(escape_outputs, limit, kept)
    for number in range(5):
        store.save_escapes(f"build {number}", OUTPUT)
    assert [number for number in range(5) if store.escapes(f"build {number}", ["main.go"])] == [2, 3, 4]


def test_an_old_output_is_kept_while_a_process_of_its_build_is_known(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([batch(1)])
    monkeypatch.setattr(store, "_now", lambda: 1)
    for build in ("build", "forgotten"):
        store.save_escapes(build, OUTPUT)
    store.expire(2)
    assert store.escapes("forgotten", ["main.go"]) is None
    read = store.escapes("build", ["main.go"])
    assert read
    assert read.escapes.values == VALUES[:1]
