"""What DuckDB cannot do, as errors of the store."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from gosonde_collector.model.errors import DamagedStoreError, StoreError

#: What DuckDB says of files that are not as it wrote them.
DAMAGED: Final = re.compile(
    r"corrupt|checksum|not a valid DuckDB|could not read enough bytes|replaying WAL|deserializ|serialization",
    re.IGNORECASE,
)


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Raises StoreError, or DamagedStoreError, where DuckDB fails to do `what`."""
    try:
        yield
    except duckdb.Error as error:
        raise store_error(what, error) from error


def store_error(what: str, error: duckdb.Error) -> StoreError:
    """The error with what was to be done, and what helps."""
    if not DAMAGED.search(str(error)):
        return StoreError(f"cannot {what}: {error}")
    return DamagedStoreError(
        f"cannot {what}: the store is damaged. Stop the collector, then put a backup in its place, or keep what can be "
        f"read with `gosonde store salvage` (--data names the folder). What was found: {error}"
    )
