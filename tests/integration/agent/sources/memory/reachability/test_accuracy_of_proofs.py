"""A handful of what `make accuracy-proof` runs; docs/accuracy.md has the whole table."""

import pytest

from tests import labelled_programs, proof_recall, proof_soundness

LEAKY = ("leaky/channel_send", "leaky/lock_order")
SOUND = ("healthy/fan_out", "reach/channels", "reach/passed")
SCANS = 10


@pytest.mark.parametrize("name", LEAKY)
def test_whom_the_runtime_calls_leaked_is_proved_to_be_lost(name: str) -> None:
    label = next(label for label in labelled_programs.leaky() if label.name == name)
    (found,) = proof_recall.recall([label], 4.0, 1)
    assert found.runtime_sites == found.both_sites == 1, found
    assert found.both >= found.runtime - 2 > 0, found


def test_nobody_is_proved_that_can_be_woken() -> None:
    found = proof_soundness.soundness(SOUND, SCANS, 300.0, 1)
    assert [one.name for one in found] == list(SOUND)
    assert all(one.scans >= SCANS and not one.wrong for one in found), found
    assert found[1].proved == 70
