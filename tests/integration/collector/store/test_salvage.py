"""Of a damaged store everything stays that can be read, nothing is made up, and the damaged files are put aside."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from gosonde_collector.model.errors import DamagedStoreError, StoreError
from gosonde_collector.model.values import Estimate, ProcessFilter
from gosonde_collector.store.duckdb import FILE_NAME, open_store
from gosonde_collector.store.salvage import Salvaged, salvage

from tests.unit.collector.batches import SITE, STREAM, batch

LOG_NAME = f"{FILE_NAME}.wal"
#: Where DuckDB's file has its first block, and how large each is.
FIRST_BLOCK, BLOCK = 3 * 4_096, 1 << 18
MANY = 120_000

Row = tuple[int, int]


def write(folder: Path, rows: int, rows_in_log: int) -> None:
    """A store with as many rows of site counters in its file, and as many more in its log alone."""
    rng = random.Random(1)
    store = open_store(folder)
    store.append([batch(1, counters=[(0, SITE.pc, rng.getrandbits(50), 0) for _ in range(rows)])])
    store.checkpoint()
    for number in range(rows_in_log):
        store.append([batch(2 + number, counters=[(0, SITE.pc, rng.getrandbits(50), 0)])])
    # The end of a process that is killed: nothing is moved out of the log.
    shutil.copytree(folder, folder.with_name("killed"))
    store.close()
    shutil.rmtree(folder)
    folder.with_name("killed").rename(folder)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "data"
    write(folder, 3_000, 20)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    shutil.copytree(written, tmp_path / "data")
    return tmp_path / "data"


def rows_of(folder: Path) -> list[Row]:
    """(sequence, created) of every row of site counters."""
    open_store(folder).close()
    with duckdb.connect(str(folder / FILE_NAME), read_only=True) as connection:
        return connection.execute("SELECT sequence, created FROM site_counters").fetchall()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def kept(found: Salvaged, table: str) -> tuple[int, int]:
    ((rows, lost),) = [(row.kept, row.lost) for row in found.tables if row.name == table]
    return rows, lost


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flip(folder / LOG_NAME, 1_000),
        lambda folder: os.truncate(folder / FILE_NAME, FIRST_BLOCK + 1_000),
        lambda folder: flip(folder / FILE_NAME, 20),
        lambda folder: (folder / FILE_NAME).write_bytes(b"something else, and long enough to be a header\n" * 1_000),
    ],
    ids=["a flipped bit in the log", "a cut file", "a flipped bit in the header", "another file"],
)
def test_a_damaged_store_is_not_opened_and_the_error_names_the_remedies(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder)
    before = files(folder)
    remedies = r"put a backup in its place, or keep .* `gosonde store salvage`"
    with pytest.raises(DamagedStoreError, match=remedies) as raised:
        open_store(folder)
    assert raised.value.exit_code == 3
    assert salvage(folder).quarantine
    assert files(folder).keys() == {FILE_NAME}
    assert before[FILE_NAME] != files(folder)[FILE_NAME]


def test_what_the_log_has_before_its_damage_is_kept(folder: Path) -> None:
    before = files(folder)
    flip(folder / LOG_NAME, 3 * (folder / LOG_NAME).stat().st_size // 4)
    damaged = files(folder)
    found = salvage(folder)
    assert 3_005 < kept(found, "site_counters")[0] < 3_020
    assert 0 < found.log_bytes_lost < len(before[LOG_NAME]) // 2
    assert found.quarantine is not None
    assert files(found.quarantine) == damaged
    assert len(rows_of(folder)) == kept(found, "site_counters")[0]


def test_what_was_estimated_is_kept_and_belongs_to_its_site_again(folder: Path, tmp_path: Path) -> None:
    store = open_store(folder)
    store.append([batch(50, counters=[(0, SITE.pc, 9, 9)], estimates=[(0, SITE.pc, 40, 30, 50, 39, 29, 49)])])
    store.checkpoint()
    store.append([batch(51, counters=[(0, SITE.pc + number, 1, 1) for number in range(2_000)])])
    shutil.copytree(folder, tmp_path / "killed")
    store.close()
    log = tmp_path / "killed" / LOG_NAME
    flip(log, log.stat().st_size // 2)
    found = salvage(tmp_path / "killed")
    assert found.log_bytes_lost
    assert kept(found, "site_estimates") == (1, 0)
    again = open_store(tmp_path / "killed")
    estimated = {total.site.pc: total.estimate for total in again.sites(ProcessFilter())}
    again.close()
    assert estimated[SITE.pc] == Estimate(40, 30, 50, 39, 29, 49, 3, 30_000_000)


def test_a_damaged_block_costs_its_own_rows(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write(folder, MANY, 0)
    before = rows_of(folder)
    with duckdb.connect(str(folder / FILE_NAME), read_only=True) as connection:
        blocks = connection.execute(
            "SELECT DISTINCT block_id FROM pragma_storage_info('site_counters') WHERE column_name = 'created' "
            "AND block_id >= 0 ORDER BY ALL"
        ).fetchall()
    assert len(blocks) > 1
    flip(folder / FILE_NAME, FIRST_BLOCK + blocks[0][0] * BLOCK + 5_000)
    found = salvage(folder)
    rows, lost = kept(found, "site_counters")
    assert rows + lost == MANY
    assert 0 < lost < MANY // 2 + 10_000
    assert kept(found, "batches") == (1, 0)
    assert sorted(rows_of(folder)) == sorted(set(before) & set(rows_of(folder)))
    assert len(rows_of(folder)) == rows


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_damaged_the_new_store_opens_and_has_no_row_that_was_not_there(
    folder: Path, written: Path, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    shutil.copytree(written, tmp_path / "whole")
    path = folder / rng.choice((FILE_NAME, LOG_NAME))
    content = bytearray(path.read_bytes())
    at, kind = rng.randrange(len(content)), rng.randrange(3)
    if kind == 0:
        del content[at:]
    elif kind == 1:
        content[at : at + 512] = bytes(min(512, len(content) - at))
    else:
        for _ in range(8):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    damaged = files(folder)
    found = salvage(folder)
    if found.quarantine is None:
        assert files(folder) == damaged
    else:
        assert files(found.quarantine) == damaged
    assert set(rows_of(folder)) <= set(rows_of(tmp_path / "whole"))
    store = open_store(folder)
    store.append([batch(1_000, counters=[(0, SITE.pc, 5, 0)])])
    assert store.acknowledged(STREAM) == 1_000
    store.close()


def test_a_store_that_is_not_damaged_stays_as_it_is(folder: Path) -> None:
    before = files(folder)
    found = salvage(folder)
    assert found.quarantine is None
    assert files(folder) == before
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


def test_a_store_that_a_collector_has_open_is_left_alone(folder: Path) -> None:
    store = open_store(folder)
    code = (
        f"from pathlib import Path; from gosonde_collector.store.salvage import salvage; salvage(Path({str(folder)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    store.close()
    assert "is open: stop the collector first" in done.stderr
    assert len(rows_of(folder)) == 3_020


def test_the_new_store_belongs_to_whom_the_old_one_did(folder: Path) -> None:
    (folder / FILE_NAME).chmod(0o600)
    if os.geteuid() == 0:
        os.chown(folder / FILE_NAME, 65_534, 65_534)
    owner = (folder / FILE_NAME).stat()
    flip(folder / LOG_NAME, 1_000)
    salvage(folder)
    now = (folder / FILE_NAME).stat()
    assert (now.st_uid, now.st_gid, now.st_mode) == (owner.st_uid, owner.st_gid, owner.st_mode)


def test_of_a_store_whose_tables_are_only_in_a_damaged_log_an_empty_one_is_made(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute("CREATE TABLE schema_version (version BIGINT)")
    flip(tmp_path / LOG_NAME, (tmp_path / LOG_NAME).stat().st_size // 2)
    found = salvage(tmp_path)
    assert found.tables == ()
    assert found.log_bytes_lost > 0
    assert rows_of(tmp_path) == []


def test_a_new_store_has_its_tables_outside_of_the_log(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    shutil.copyfile(tmp_path / FILE_NAME, tmp_path / "copy.duckdb")
    store.close()
    with duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall()


def test_without_a_store_there_is_nothing_to_salvage(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store in"):
        salvage(tmp_path)


def test_after_a_checkpoint_the_log_can_be_lost(folder: Path) -> None:
    store = open_store(folder)
    store.append([batch(500, counters=[(0, SITE.pc, 77, 0)])])
    store.checkpoint()
    log = folder / LOG_NAME
    assert not log.exists() or log.stat().st_size == 0
    store.close()
    log.unlink(missing_ok=True)
    assert (500, 77) in rows_of(folder)
