"""docs/transcripts.md shows what commands print now."""

import os

import pytest

from tests.transcripts import page, place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="probes and namespaces need root")


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("ebpf")
def test_every_command_prints_what_its_transcript_shows_but_for_numbers() -> None:
    played = place.enter("--check", str(page.PAGE))
    assert played.returncode == 0, played.stdout
