"""A dump as large as Go writes one: it cuts debug=2 at 64 MiB, wherever that falls."""

import gzip

from gosonde_collector.evidence.debug2 import GO_CUTS_AT
from gosonde_collector.evidence.model import CUT, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.upload import ProfileUpload

from tests.paths import FIXTURES

PLAIN = (FIXTURES / "dumps" / "plain.txt").read_bytes()


def test_what_go_cuts_at_64_mib_is_partial_evidence() -> None:
    whole = PLAIN.replace(b"goroutine 1 ", b"goroutine 7 ")
    end = whole.index(b"\n\n") + 2
    cut = PLAIN[:120]
    padding = b"\n" * (GO_CUTS_AT - len(whole) - len(cut))
    upload = ProfileUpload()
    upload.feed(gzip.compress(whole[:end] + padding + whole[end:] + cut, 1))
    profile = parse_profile(upload.finish())
    assert isinstance(profile, GoroutineProfile)
    assert profile.format == CUT
    assert "64 MiB" in profile.reading.partial
    assert profile.goroutines >= 4
