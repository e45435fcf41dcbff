"""What hits cost is measured once a boot, and again when it was measured otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.sources.hit_costs import FILE_NAME, HitCosts, cached

NEW = HitCosts(emulated=2.0, measured=True)
OLD = HitCosts(emulated=1.0, measured=True)


def asked(folder: Path, **changes: Any) -> HitCosts:
    """What is used when OLD is kept, but for some of its keys."""
    cached(folder, "boot", lambda: OLD)
    path = folder / FILE_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return cached(folder, "boot", lambda: NEW)


def test_they_are_kept_until_the_host_starts_anew(tmp_path: Path) -> None:
    assert asked(tmp_path) == OLD
    assert cached(tmp_path, "next boot", lambda: NEW) == NEW


def test_what_another_method_gave_is_not_used(tmp_path: Path) -> None:
    assert asked(tmp_path, method=1) == NEW


@pytest.mark.parametrize(
    "change", [{"emulated": -1.0}, {"emulated": "much"}, {"emulated": 1e30}, {"unknown": 1}, {"error": 2}]
)
def test_what_makes_no_sense_is_measured_anew(tmp_path: Path, change: dict[str, Any]) -> None:
    assert asked(tmp_path, **change) == NEW


def test_what_was_not_measured_is_not_kept(tmp_path: Path) -> None:
    cached(tmp_path, "boot", HitCosts)
    assert cached(tmp_path, "boot", lambda: NEW) == NEW


def test_the_measurement_that_was_disturbed_less_is_the_better_one() -> None:
    busy = HitCosts(emulated=1.0, measured=True, disturbed=0.9)
    assert busy.is_doubtful
    assert busy.or_better(NEW) == NEW
    assert NEW.or_better(busy) == NEW
    assert HitCosts().or_better(busy) == busy


def test_figures_of_another_machine_are_not_measured_again() -> None:
    assert not HitCosts(error=1.0).is_doubtful
