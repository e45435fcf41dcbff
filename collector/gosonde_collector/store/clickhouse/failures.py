"""What ClickHouse cannot do, as errors of the store."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clickhouse_driver import errors

from gosonde_collector.model.errors import DiskFullError, StoreError

#: Codes of ClickHouse's ErrorCodes.cpp: who asks is not known, or may not do it; 194 and 516 are of newer servers.
NOT_ALLOWED: Final = {192, 193, 194, 497, 516}
NOT_ENOUGH_SPACE: Final = 243
#: What the system says of a full disk, in errors of any code.
NO_SPACE: Final = ("No space left on device", "errno: 28")
#: A replica without its ZooKeeper.
READ_ONLY: Final = 242


@contextmanager
def failures(what: str, where: str) -> Iterator[None]:
    """Raises StoreError, or DiskFullError, where the server at `where` fails to do `what`."""
    try:
        yield
    except errors.ServerException as error:
        raise _refused(what, where, error) from error
    except (errors.Error, OSError, EOFError) as error:
        raise StoreError(f"cannot {what}: ClickHouse at {where} does not answer: {error}") from error


def _refused(what: str, where: str, error: errors.ServerException) -> Exception:
    said = str(error.message).partition(" Stack trace:")[0].strip()
    if error.code == NOT_ENOUGH_SPACE or any(text in said for text in NO_SPACE):
        return DiskFullError(f"cannot {what}: the disk of ClickHouse at {where} is full; make room. It says: {said}")
    if error.code in NOT_ALLOWED:
        return StoreError(f"cannot {what}: ClickHouse at {where} refuses the user or the password. It says: {said}")
    if error.code == READ_ONLY:
        return StoreError(f"cannot {what}: ClickHouse at {where} has lost its ZooKeeper. It says: {said}")
    return StoreError(f"cannot {what}: ClickHouse at {where} says (code {error.code}): {said}")
