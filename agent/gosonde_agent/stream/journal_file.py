"""The spool's SQLite file: opened, checked, and its failures as gosonde's errors."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from gosonde_common.errors import UnavailableError, UnsupportedError

from gosonde_agent.model.errors import SpoolError
from gosonde_agent.stream.journal_salvage import salvage

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

    A file that is found to be damaged is put aside, and what can be read of it goes on in a new one.

    Attributes:
        damaged: Places that could not be read of damaged files, since the start.
        on_repair: Called when the file was replaced after the start.

    Raises:
        UnavailableError: Another agent has the file open.
        UnsupportedError: A newer agent wrote the file.
        SpoolError: The file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.damaged = 0
        self.on_repair: Callable[[], None] = lambda: None
        with _failures():
            try:
                self._connection = _opened(path)
            except sqlite3.DatabaseError as error:
                if path is None or not _is_damage(error):
                    raise
                self._connection = self._replaced(path, error)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a statement returns; outside of a `transaction` it is one by itself. Raises SpoolError."""
        with _failures():
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.DatabaseError as error:
                if self._connection.in_transaction or not self._repaired(error):
                    raise
                return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements within take effect together, or none. Raises SpoolError."""
        self.rows("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException as error:
            with _failures():
                self._connection.rollback()
                self._repaired(error.__cause__)
            raise
        self.rows("COMMIT")

    def _repaired(self, error: BaseException | None) -> bool:
        """Whether the error said that the file is damaged, which it is not any more."""
        if self._path is None or not _is_damage(error):
            return False
        self._connection.close()
        self._connection = self._replaced(self._path, error)
        self.on_repair()
        return True

    def _replaced(self, path: Path, error: BaseException | None) -> sqlite3.Connection:
        aside = _put_aside(path)
        new = _opened(path)
        try:
            with closing(sqlite3.connect(aside, isolation_level=None)) as old:
                places = salvage(old, new)
        except BaseException:
            self.damaged += 1
            new.close()
            raise
        self.damaged += places
        log.error(
            "the spool is damaged; going on with what can be read of it",
            kept_as=aside.name,
            places=places,
            reason=str(error),
        )
        return new

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


def _is_damage(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def _put_aside(path: Path) -> Path:
    """Gives the file and its log another name, in place of what was put aside before; its index is made again."""
    aside = path.with_name(f"{path.name}.damaged")
    for suffix in ("-wal", "-shm"):
        aside.with_name(aside.name + suffix).unlink(missing_ok=True)
    path.replace(aside)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        path.with_name(f"{path.name}-wal").replace(aside.with_name(f"{aside.name}-wal"))
    return aside


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
