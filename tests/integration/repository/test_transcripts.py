"""docs/transcripts.md shows what the commands print now: the scene of `make transcripts` is played again."""

import os
import re

import pytest

from tests.transcripts import page, place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="probes and namespaces need root")

#: Of the scene, each in a place of its own, until a difference counts: on a busy host something may come later than
#: the scene waits for it.
PLAYS = 3


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("ebpf")
def test_every_command_prints_what_its_transcript_shows_but_for_numbers() -> None:
    others: list[set[str]] = []
    while not others or set.intersection(*others):
        played = place.enter("--check", str(page.PAGE))
        if played.returncode == 0:
            return
        others.append(set(re.findall(r"^(`.+`) prints something else", played.stdout, re.MULTILINE)))
        assert others[-1], played.stdout
        assert len(others) < PLAYS or not set.intersection(*others), played.stdout
