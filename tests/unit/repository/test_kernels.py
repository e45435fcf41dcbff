"""What runs on kernels showed is read whole, and the table of docs/platforms.md keeps what it has of others."""

from pathlib import Path

import pytest

from tests.kernels import outcome, run, table, trials
from tests.kernels.architectures import AMD64
from tests.kernels.kernels import KERNELS, Kernel
from tests.kernels.outcome import Outcome
from tests.paths import ROOT

RESULTS = b"""{"kernel": "6.1.0", "machine": "x86_64"}
{"test": "a", "outcome": "passed", "seconds": 1.0}
{"test": "b", "outcome": "passed", "seconds": 1.0}
{"test": "b", "outcome": "failed", "seconds": 0.5}
{"test": "c", "outc"""


def all_passed(kernel: Kernel) -> Outcome:
    return Outcome("5.9", {test: "passed" for tests in trials.columns(kernel).values() for test in tests}, 1.0)


def test_a_test_that_was_cut_off_or_failed_in_taking_down_has_not_passed(tmp_path: Path) -> None:
    (tmp_path / "results").write_bytes(RESULTS + bytes(100))
    found = outcome.read(tmp_path / "results")
    assert (found.release, found.seconds) == ("6.1.0", 2.5)
    assert found.not_passed(["a", "b", "c"]) == ["b: failed", "c: never ended"]


def test_a_disk_on_which_nothing_was_written_is_a_kernel_that_did_not_boot(tmp_path: Path) -> None:
    (tmp_path / "results").write_bytes(bytes(100))
    found = outcome.read(tmp_path / "results")
    assert table.line(KERNELS[1], AMD64, found)[0] == "5.15: did not boot"


def test_a_line_says_how_many_tests_passed_or_that_the_kernel_was_refused() -> None:
    refused, supported = KERNELS[0], KERNELS[1]
    assert "refused" in table.line(refused, AMD64, all_passed(refused))
    assert "not refused" in table.line(refused, AMD64, Outcome("5.9", {}, 0.0))
    counts = len(trials.ON_SUPPORTED["counts"])
    assert f"{counts} of {counts}" in table.line(supported, AMD64, all_passed(supported))
    assert f"0 of {counts}" in table.line(supported, AMD64, Outcome("5.9", {}, 0.0))


def test_a_kernel_that_is_tried_again_replaces_its_own_line_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "platforms.md"
    page.write_text(f"before\n{table.BEGIN}{table.END}after\n")
    monkeypatch.setattr(table, "PAGE", page)
    first, second = KERNELS[1], KERNELS[2]
    for kernel in (second, first, second):
        table.write([table.line(kernel, AMD64, all_passed(kernel))])
    before, _, *rows, last, after = page.read_text().splitlines()
    assert (before, f"{last}\n", after) == ("before", table.END, "after")
    assert [row.split(" | ")[1] for row in rows[2:]] == ["Ubuntu jammy-updates", "Debian bookworm"]


def test_the_page_has_the_columns_that_are_tried() -> None:
    head = (ROOT / "docs/platforms.md").read_text().partition(table.BEGIN)[2].splitlines()[0]
    assert head == f"| {' | '.join(table.HEAD)} |"


def test_a_kernel_that_a_distribution_does_not_have_for_a_processor_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run.main(["arm64", "5.15"]) == 2
    said = capsys.readouterr().err
    assert "'5.15' is neither a kernel (5.10, 6.1, 6.12, newest) nor an architecture (amd64, arm64)" in said
