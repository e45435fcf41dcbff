"""The protocol may grow, and may not break what was released: `make lint` compares it with proto/released.binpb."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

BUF = Path(sys.executable).parent / "buf"
#: Of messages that any client needs.
MODEL = "gosonde/v1/model.proto"
COLLECTOR = "gosonde/v1/collector.proto"


@pytest.fixture
def proto(tmp_path: Path) -> Path:
    """A copy of the protocol that a test may change."""
    return shutil.copytree(ROOT / "proto", tmp_path / "proto", ignore=shutil.ignore_patterns("gosonde_pb"))


def compare_with_the_release(proto: Path) -> subprocess.CompletedProcess[str]:
    command = (BUF, "breaking", ".", "--against", "released.binpb")
    return subprocess.run(command, cwd=proto, capture_output=True, text=True, timeout=120, check=False)


def change(proto: Path, file: str, old: str, new: str) -> None:
    text = (proto / file).read_text()
    assert old in text, f"{file} has no {old!r} any more"
    (proto / file).write_text(text.replace(old, new, 1))


def test_the_protocol_keeps_what_was_released(proto: Path) -> None:
    compared = compare_with_the_release(proto)

    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_a_new_message_breaks_nothing(proto: Path) -> None:
    with (proto / MODEL).open("a") as file:
        file.write("message OfTomorrow {\n  string name = 1;\n}\n")

    assert compare_with_the_release(proto).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("  uint32 pid = 2;", "", 'field "2" with name "pid"'),
        ("  uint32 pid = 2;", "  string pid = 2;", "changed type"),
        ("  uint32 pid = 2;", "  uint32 number = 2;", "changed name"),
        ("  uint32 pid = 2;", "  uint32 pid = 77;", 'field "2" with name "pid"'),
        ("  rpc Backup(BackupRequest) returns (stream BackupResponse);", "", 'RPC "Backup"'),
    ],
    ids=["a field that is gone", "another type", "another name", "another number", "a call that is gone"],
)
def test_a_change_that_breaks_a_released_client_fails(proto: Path, old: str, new: str, word: str) -> None:
    change(proto, COLLECTOR, old, new)

    compared = compare_with_the_release(proto)

    assert compared.returncode != 0
    assert word in compared.stdout


def test_make_lint_compares_the_protocol_with_the_release() -> None:
    recipe = subprocess.run(
        ("make", "--dry-run", "lint"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert "buf breaking proto --against proto/released.binpb" in recipe.stdout
