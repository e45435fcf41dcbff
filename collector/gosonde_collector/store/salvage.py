"""Makes a new store of what can be read of a damaged one, which is put aside as it is."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from gosonde_collector.model.errors import StoreError
from gosonde_collector.store.duckdb import FILE_NAME, IN_USE, open_store
from gosonde_collector.store.migrations import SCHEMA_VERSION, prepare

#: Rows that DuckDB reads together: where one of them cannot be read, none of them can.
ROWS_TOGETHER: Final = 2_048
LOG_SUFFIX: Final = ".wal"
_LOG_DAMAGED_AT = re.compile(r"entry at byte position (\d+)")
#: Places in the log that are found damaged, one before the other, until all of it is left out.
MOST_CUTS: Final = 64


@dataclass(frozen=True, slots=True)
class TableRows:
    """Attributes:
    name: The table's.
    kept: Rows that the new store has.
    lost: Rows that could not be read.
    """

    name: str
    kept: int
    lost: int


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of a store.

    Attributes:
        tables: Of each table that could be found, how many of its rows.
        damage: What could not be read of the store as a whole; "" when only rows were lost.
        log_bytes_lost: Of the write-ahead log, from its first damaged byte on.
        quarantine: The folder that has the damaged files; None when nothing is damaged, and all stayed as it was.
    """

    tables: tuple[TableRows, ...]
    damage: str
    log_bytes_lost: int
    quarantine: Path | None


def salvage(folder: Path) -> Salvaged:
    """Replaces the store in the folder by one of what can be read of it.

    Raises:
        StoreError: There is none, a collector has it open, or the disk has no room for a second. All is as it was.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise StoreError(f"there is no store in {folder}; name the collector's folder with --data")
    try:
        _check_room(path)
        with tempfile.TemporaryDirectory(prefix=".salvage-", dir=folder) as work:
            return _salvaged(path, Path(work))
    except OSError as error:
        raise StoreError(f"cannot salvage {path}: {error.strerror}; the store is as it was before") from error
    except duckdb.Error as error:
        raise StoreError(f"cannot salvage {path}: {error}; the store is as it was before") from error


def _salvaged(path: Path, work: Path) -> Salvaged:
    (work / "new").mkdir()
    new = work / "new" / FILE_NAME
    with _connected(new) as connection:
        damage, log_bytes_lost = _attach(connection, path, work)
        tables = () if damage else tuple(_copied(connection))
        if tables:
            _name_version(connection)
    if not damage and not log_bytes_lost and not any(table.lost for table in tables):
        return Salvaged(tables, "", 0, None)
    # It becomes a store of this version, which a collector can open, before it takes the other's place.
    open_store(new.parent).close()
    return Salvaged(tables, damage, log_bytes_lost, _swapped(path, new))


def _check_room(path: Path) -> None:
    needed, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < needed:
        raise StoreError(
            f"salvaging needs {needed >> 20} MiB on the disk of {path.parent}, which has {free >> 20}; make room"
        )


@contextmanager
def _connected(new: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the new store, whose tables are the ones that need no other name."""
    connection = duckdb.connect(str(new), config={"threads": 2})
    try:
        yield connection
    finally:
        connection.close()


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, work: Path) -> tuple[str, int]:
    """Attaches the damaged store as `old`, to be read; why it cannot be, and how many bytes of its log are lost.

    The files themselves stay untouched: the store has a second name, and its log is copied.
    """
    link, log = work / "old.duckdb", work / f"old.duckdb{LOG_SUFFIX}"
    link.hardlink_to(path)
    original = path.with_name(path.name + LOG_SUFFIX)
    size = original.stat().st_size if original.exists() else 0
    if size:
        shutil.copyfile(original, log)
    for _ in range(MOST_CUTS):
        try:
            connection.execute(f"ATTACH '{str(link).replace(chr(39), chr(39) * 2)}' AS old (READ_ONLY)")
        except duckdb.Error as error:
            if IN_USE in str(error):
                raise StoreError(f"the store {path} is open: stop the collector first") from error
            if not log.exists():
                return str(error), size
            _cut(log, str(error))
        else:
            return "", size - (log.stat().st_size if log.exists() else 0)
    return "the write-ahead log is damaged in too many places", size


def _cut(log: Path, error: str) -> None:
    """Ends the log before the entry that is damaged; what was written before it stays."""
    found = _LOG_DAMAGED_AT.search(error)
    place = int(found[1]) if found else 0
    if 0 < place < log.stat().st_size:
        os.truncate(log, place)
    else:
        log.unlink()


def _copied(connection: duckdb.DuckDBPyConnection) -> Iterator[TableRows]:
    found = connection.execute(
        "SELECT table_name, sql, estimated_size FROM duckdb_tables() WHERE database_name = 'old' ORDER BY table_name"
    ).fetchall()
    for name, statement, estimated in found:
        connection.execute(statement)
        try:
            # No column is read for these.
            ((rows, last),) = connection.execute(f"SELECT count(*), max(rowid) FROM old.{name}").fetchall()  # noqa: S608
        except duckdb.Error:
            rows, last = estimated, estimated - 1
        kept = _copied_rows(connection, name, 0, (last or 0) + 1)
        yield TableRows(name, kept, max(0, rows - kept))


def _copied_rows(connection: duckdb.DuckDBPyConnection, table: str, first: int, end: int) -> int:
    """Copies the rows from `first` to before `end`: all of them, or as many as can be read."""
    try:
        ((copied,),) = connection.execute(
            f"INSERT INTO {table} SELECT * FROM old.{table} WHERE rowid >= {first} AND rowid < {end}"  # noqa: S608
        ).fetchall()
        return int(copied)
    except duckdb.Error:
        groups = -(-(end - first) // ROWS_TOGETHER)
        if groups < 2:
            return 0
        middle = first + groups // 2 * ROWS_TOGETHER
        return _copied_rows(connection, table, first, middle) + _copied_rows(connection, table, middle, end)


def _name_version(connection: duckdb.DuckDBPyConnection) -> None:
    """Notes the version of the tables where its own table was lost.

    Raises:
        StoreError: They are not those of this version.
    """
    if connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'schema_version'").fetchall():
        ((version,),) = connection.execute("SELECT max(version) FROM schema_version").fetchall()
        if version is not None:
            return
    with duckdb.connect() as current:
        prepare(current)
        if _columns(current) != _columns(connection):
            raise StoreError(
                "the version of the store cannot be read, and its tables are not those of this version: restore a "
                "backup, or move the store away to begin a new one"
            )
    connection.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])


def _columns(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    return connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND table_name IN (SELECT table_name FROM duckdb_tables()) "
        "ORDER BY ALL"
    ).fetchall()


def _swapped(path: Path, new: Path) -> Path:
    """Puts the damaged files aside and the new store in their place; returns the folder that has them."""
    owner = path.stat()
    quarantine = path.with_name(f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    quarantine.mkdir(mode=0o700)
    for made in (quarantine, new):
        os.chown(made, owner.st_uid, owner.st_gid)
    new.chmod(owner.st_mode & 0o777)
    log = path.with_name(path.name + LOG_SUFFIX)
    if log.exists():
        log.rename(quarantine / log.name)
    path.rename(quarantine / path.name)
    new.rename(path)
    return quarantine
