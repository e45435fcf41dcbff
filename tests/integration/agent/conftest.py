"""Fixtures of the tests of the agent."""

from collections.abc import Iterator

import pytest
from gosonde_agent import helper
from gosonde_agent.host import access


@pytest.fixture
def started() -> Iterator[helper.Helper]:
    """A helper under its filter, with which this process opens files of others, and stops processes."""
    found = helper.start()
    access.use(found.client)
    try:
        yield found
    finally:
        access.use(access.Direct())
        found.probes.close()
        found.close()
