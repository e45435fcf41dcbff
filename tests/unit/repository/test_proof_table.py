"""docs/accuracy.md has what `make accuracy-proof` prints, of every program, and it adds up."""

import pytest

from tests import proof_subjects, proof_table
from tests.paths import ROOT
from tests.proof_recall import Recall
from tests.proof_soundness import Soundness
from tests.proof_table import RECALL_HEAD, SOUND_HEAD, Sound

HOSTS = ("quiet", "busy")
TEXT = (ROOT / "docs" / "accuracy.md").read_text()


def written(part: str) -> str:
    """What the page has between the marks of one table."""
    _before, found, rest = TEXT.partition(f"<!-- accuracy-proof {part}: begin -->\n")
    assert found
    return rest.partition(f"<!-- accuracy-proof {part}: end -->")[0]


def table(lines: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """(head, cells by the first of their row) of the first table in some lines."""
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    return rows[0], {row[0].strip("`"): row[1:] for row in rows[2:]}


def numbers(cells: list[str]) -> list[int]:
    return [int(cell.replace(",", "")) for cell in cells]


def added(rows: dict[str, list[str]]) -> list[int]:
    return [sum(column) for column in zip(*(numbers(row) for row in rows.values()), strict=True)]


@pytest.mark.parametrize("host", HOSTS)
def test_the_page_has_every_program_on_each_host_and_all_of_them_together(host: str) -> None:
    text = written(host)
    assert text.startswith(f"On a {host} host (load average ")
    head, rows = table(text.splitlines())
    assert head == ["program", *SOUND_HEAD.values()]
    names = [subject.name for subject in proof_subjects.subjects()]
    together = rows.pop(f"all {len(names)}")
    assert list(rows) == names
    assert numbers(together) == added(rows)
    assert dict(zip(SOUND_HEAD, numbers(together), strict=True))["wrong"] == 0


def test_the_page_has_at_least_20_000_scans() -> None:
    each = [table(written(host).splitlines())[1] for host in HOSTS]
    assert sum(numbers(row)[0] for rows in each for name, row in rows.items() if name.startswith("all ")) >= 20_000


def test_the_page_says_how_many_of_the_runtimes_goroutines_are_proved() -> None:
    head, rows = table(written("recall").splitlines())
    assert head == list(RECALL_HEAD)
    (together,) = (row for name, row in rows.items() if name.startswith("all "))
    each = {name: row[:3] for name, row in rows.items() if not name.startswith("all ")}
    assert numbers(together[:3]) == added(each)


def test_one_wrong_proof_is_not_good() -> None:
    assert Sound([Soundness("a", proved=3), Soundness("b")], (1.0, 2.0)).is_good
    assert not Sound([Soundness("a", proved=3, wrong=1), Soundness("b")], (1.0, 2.0)).is_good


def test_every_site_must_be_proved_and_nearly_all_goroutines() -> None:
    most = Recall("a", 100, 97, 0, 1, 1, "")
    assert proof_table.recalls_all([most])
    assert not proof_table.recalls_all([most, Recall("b", 10, 9, 0, 1, 1, "")])
    assert not proof_table.recalls_all([most, Recall("b", 1, 1, 0, 2, 1, "")])
