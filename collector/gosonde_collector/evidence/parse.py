"""A goroutine profile of any format into plain values."""

from gosonde_collector.errors import ProfileError
from gosonde_collector.evidence.debug1 import START as DEBUG1_START
from gosonde_collector.evidence.debug1 import parse_debug1
from gosonde_collector.evidence.debug2 import parse_debug2
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.evidence.upload import TEXT_START, check_start
from gosonde_collector.evidence.wire import parse_proto


def parse_profile(data: bytes) -> GoroutineProfile:
    """Parses an inflated file of any of the three formats.

    Raises:
        ProfileError: It is none of them, is damaged, or shows no goroutine (a running process has at least one).
    """
    check_start(data[: len(TEXT_START)])
    if data.startswith(DEBUG1_START):
        profile = parse_debug1(data)
    elif data.startswith(TEXT_START):
        profile = parse_debug2(data)
    else:
        profile = parse_proto(data)
    if not profile.groups:
        raise ProfileError("the profile shows no goroutine")
    return profile
