from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_collector.store.protocol import Store

from tests.unit.collector.stores import OpenStore, opening


@pytest.fixture
def open_one(tmp_path: Path) -> Iterator[OpenStore]:
    with opening(tmp_path) as opened:
        yield opened


@pytest.fixture
def store(open_one: OpenStore) -> Store:
    return open_one()
