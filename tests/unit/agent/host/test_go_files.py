"""Which files the helper takes for Go programs that run."""

import os
from pathlib import Path

import pytest
from gosonde_agent.golang.buildinfo import MAGIC
from gosonde_agent.host import go_files
from gosonde_agent.host.go_files import GoFiles, has_mark
from gosonde_agent.model.errors import RefusedError


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", False),
        (bytes(64), False),
        (MAGIC, True),
        (bytes(16) + MAGIC, True),
        (bytes(8) + MAGIC + bytes(64), False),
        (bytes(8) + MAGIC + bytes(10) + MAGIC, True),
        (bytes(go_files.CHUNK) + MAGIC, True),
        (bytes(go_files.CHUNK - 8) + MAGIC, False),
    ],
)
def test_the_mark_is_found_where_16_bytes_begin(tmp_path: Path, content: bytes, found: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as file:
        assert has_mark(file.fileno()) is found


def test_a_file_is_allowed_when_it_is_gos_and_was_seen_running(tmp_path: Path) -> None:
    files, go, other = GoFiles(), tmp_path / "go", tmp_path / "other"
    go.write_bytes(MAGIC)
    other.write_bytes(b"no")
    with go.open("rb") as file, other.open("rb") as other_file:
        with pytest.raises(RefusedError, match="seen to run"):
            files.check(file.fileno())
        files.note(file.fileno())
        files.check(file.fileno())
        files.note(other_file.fileno())
        with pytest.raises(RefusedError, match="not the file of a Go program"):
            files.check(other_file.fileno())


def test_a_file_that_is_written_anew_is_looked_at_anew(tmp_path: Path) -> None:
    files, path = GoFiles(), tmp_path / "go"
    path.write_bytes(MAGIC)
    with path.open("rb") as file:
        files.note(file.fileno())
        files.check(file.fileno())
        path.write_bytes(b"something else")
        os.utime(path, ns=(1, 1))
        with pytest.raises(RefusedError):
            files.check(file.fileno())


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (bytes(24) + bytes.fromhex("f1ffffff00000108"), True),
        (bytes(24) + bytes.fromhex("faffffff00000408"), True),
        (bytes((1 << 20) - 8) + bytes.fromhex("f0ffffff00000108"), True),
        (bytes(20) + bytes.fromhex("f1ffffff00000108"), False),
        (bytes(24) + bytes.fromhex("f1ffffff00000208"), False),
    ],
)
def test_a_program_without_build_info_is_known_by_how_its_pclntab_begins(
    tmp_path: Path, content: bytes, found: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as file:
        assert has_mark(file.fileno()) is found
