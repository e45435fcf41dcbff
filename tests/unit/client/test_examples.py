"""The page of the library has types that hold, and names what there is."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import gosonde
import pytest

from tests.paths import ROOT
from tests.unit.client.examples import EXAMPLES

PAGE = (ROOT / "docs/library.md").read_text()
MYPY = Path(sys.executable).with_name("mypy")


def test_every_example_passes_mypy_strict(tmp_path: Path) -> None:
    programs = [text for texts in EXAMPLES.values() for text in texts]
    for number, text in enumerate(programs):
        (tmp_path / f"example_{number}.py").write_text(text)
    command = (MYPY, "--strict", "--cache-dir", tmp_path / "cache", tmp_path)

    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    assert len(programs) >= 8
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_an_example_with_a_wrong_type_would_not_pass(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text('import gosonde\n\nwith gosonde.CollectorClient() as client:\n    client.gc(pid="1").nothing()\n')
    command = (MYPY, "--strict", "--cache-dir", tmp_path / "cache", wrong)

    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    assert checked.returncode == 1
    assert 'Argument "pid" to "gc"' in checked.stdout
    assert '"nothing"' in checked.stdout


@pytest.mark.parametrize(
    ("client", "heading"), [(gosonde.CollectorClient, "Ask a collector"), (gosonde.AgentClient, "Ask an agent")]
)
def test_every_method_of_a_client_is_in_its_table_and_no_other(client: type, heading: str) -> None:
    methods = {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}
    section = re.split(r"^## ", PAGE.partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)

    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == methods - {"close"}
