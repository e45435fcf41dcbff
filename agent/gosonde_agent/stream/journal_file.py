"""The spool's SQLite file: opened, checked, and its failures as gosonde's errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from gosonde_common.errors import UnavailableError, UnsupportedError

from gosonde_agent.model.errors import SpoolError

log = structlog.get_logger(__name__)

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT, agent_epoch TEXT NOT NULL, boot_id TEXT NOT NULL, host TEXT NOT NULL,
    stopped INTEGER NOT NULL DEFAULT 0, resumed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, stored_boottime_ns INTEGER NOT NULL,
    size INTEGER NOT NULL, content BLOB NOT NULL
);
"""
#: What SQLite says of a file that is none of its own, or was garbled.
DAMAGED = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


class JournalFile:
    """Statements on one SQLite database, kept in memory when there is no path; of any thread, one after the other.

    Raises:
        UnavailableError: Another agent has the file open.
        UnsupportedError: A newer agent wrote the file.
        SpoolError: The file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        with _failures():
            try:
                self._connection = _opened(path)
            except sqlite3.DatabaseError as error:
                if path is None or error.sqlite_errorcode & 0xFF not in DAMAGED:
                    raise
                self._connection = _opened(_put_aside(path, error))

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a statement returns; outside of a `transaction` it is one by itself. Raises SpoolError."""
        with _failures():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements within take effect together, or none. Raises SpoolError."""
        self.rows("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self.rows("COMMIT")

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


def last_run(path: Path) -> list[tuple[Any, ...]]:
    """Of the newest run in a file that cannot be written: (run, agent_epoch, boot_id, host, stopped), or nothing.

    What is only in the file's log is not seen; it may be the run's end.
    """
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True)
        with closing(connection):
            statement = "SELECT run, agent_epoch, boot_id, host, stopped FROM runs ORDER BY run DESC LIMIT 1"
            return connection.execute(statement).fetchall()
    return []


def _opened(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        str(path) if path else ":memory:", timeout=1, isolation_level=None, check_same_thread=False
    )
    try:
        # Nobody else reads it, and a second agent on the same folder must fail.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        # A kill loses nothing that was committed; a power cut may lose the last seconds, and never damages the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    ((version,),) = connection.execute("PRAGMA user_version")
    if version not in {0, SCHEMA_VERSION}:
        raise UnsupportedError(
            f"the spool has version {version}, and this agent knows {SCHEMA_VERSION}: run the newer agent, or delete "
            f"spool.db and lose what it holds"
        )
    if version == 0:
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    ((sound,),) = connection.execute("PRAGMA quick_check(1)")
    if sound != "ok":
        raise _damage(sound)


def _damage(sound: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(sound)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _put_aside(path: Path, error: sqlite3.Error) -> Path:
    log.error("the spool is damaged; beginning a new one", kept_as=f"{path.name}.damaged", reason=str(error))
    path.replace(path.with_name(f"{path.name}.damaged"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise UnavailableError("the spool is in use: another agent runs with the same --state folder") from error
        raise SpoolError(f"the spool cannot be used: {error}; is the disk of the state folder full?") from error
    except OSError as error:
        raise SpoolError(f"the spool cannot be used: {error.strerror}") from error
