"""ClickHouse's store says what DuckDB's says, to every question, and also when batches failed in the middle."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_collector.store.clickhouse.store import open_clickhouse
from gosonde_collector.store.duckdb import open_store
from gosonde_collector.store.protocol import Store

from tests.integration.collector.store.clickhouse.both_stores import Answers, answers, tell
from tests.unit.collector.batches import START
from tests.unit.collector.stores import server_of

#: What stores something, or tells of the server alone.
NO_QUESTIONS = {
    *(
        "append",
        "add_snapshot",
        "save_escapes",
        "save_findings",
        "save_mutes",
        "save_reported",
        "add_audit",
        "expire",
        "oldest",
    ),
    *("checkpoint", "size", "room", "free", "backup", "close"),
}
QUESTIONS = sorted(name for name in vars(Store) if not name.startswith("_") and name not in NO_QUESTIONS)


def told(store: Store, clock: list[int]) -> Answers:
    def at(now: int) -> None:
        clock[0] = now

    return answers(store, tell(store, at))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Answers, Answers]]:
    """The answers of DuckDB and of ClickHouse."""
    clock = [START]
    folder: Path = tmp_path_factory.mktemp("duckdb")
    embedded = open_store(folder, lambda: clock[0])
    expected = told(embedded, clock)
    embedded.close()
    server = server_of("same_answers")
    clock[0] = START
    store = open_clickhouse(server, lambda: clock[0])
    yield expected, told(store, clock)
    server.run("DROP DATABASE same_answers")
    store.close()


@pytest.mark.minutes
@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_the_answer_that_duckdb_gives(question: str, both: tuple[Answers, Answers]) -> None:
    expected, found = both
    assert any(expected[question]), "what nothing is known of shows no difference"
    assert found[question] == expected[question]
