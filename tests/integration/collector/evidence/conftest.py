from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_collector.store.duckdb import DuckDBStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    opened = open_store(tmp_path / "data")
    yield opened
    opened.close()
