import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clickhouse_server import NAME, ClickHouseServer
from tests.conftest import in_ci


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """Skips these tests where there is no server, as in releases of Debian that have none; in CI that is a failure."""
    if not shutil.which(NAME):
        (pytest.fail if in_ci() else pytest.skip)(f"{NAME} is not installed")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path / "server") as started:
        yield started
