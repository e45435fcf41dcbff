"""What Go itself cuts at 64 MiB is taken as far as it goes, wherever the cut falls: behind a line, too."""

import pytest
from gosonde_collector.evidence import debug2
from gosonde_collector.evidence.model import CUT

from tests.paths import FIXTURES

PLAIN = (FIXTURES / "dumps" / "plain.txt").read_bytes()
#: Behind the second goroutine: of a text that holds less than one, nothing is taken.
BEGUN = PLAIN.index(b"\n\n", PLAIN.index(b"\n\n") + 2) + 2


@pytest.mark.parametrize("ends", range(BEGUN, len(PLAIN), 7))
def test_a_cut_anywhere_is_go_s(ends: int) -> None:
    profile = debug2.parse_debug2(PLAIN[:ends], size=debug2.GO_CUTS_AT)
    assert (profile.format, profile.reading.partial) == (CUT, debug2.CUT_BY_GO)


def test_a_cut_behind_any_line_is_go_s() -> None:
    behind = [at + 1 for at, byte in enumerate(PLAIN) if byte == ord("\n") and at >= BEGUN]
    assert len(behind) > 10
    for ends in behind:
        assert debug2.parse_debug2(PLAIN[:ends], size=debug2.GO_CUTS_AT).reading.partial == debug2.CUT_BY_GO


def test_a_whole_text_of_another_size_is_not_cut() -> None:
    assert debug2.parse_debug2(PLAIN, size=debug2.GO_CUTS_AT - 1).reading.partial == ""
