"""A profile of any kind and format into plain values."""

from gosonde_collector.evidence.context import ContextProfile
from gosonde_collector.evidence.debug1 import START as DEBUG1_START
from gosonde_collector.evidence.debug1 import parse_debug1
from gosonde_collector.evidence.debug2 import parse_debug2
from gosonde_collector.evidence.model import GOROUTINE, GoroutineProfile
from gosonde_collector.evidence.upload import START_BYTES, TEXT_STARTS, check_start
from gosonde_collector.evidence.wire import parse_proto
from gosonde_collector.model.errors import ProfileError, Refusal

Profile = GoroutineProfile | ContextProfile


def parse_profile(data: bytes) -> Profile:
    """Parses an inflated file; its content tells its kind and format.

    Raises:
        ProfileError: It is none of them, is damaged, or shows nothing where there must be something: a running process
            has at least one goroutine. A goroutineleak profile may be empty.
    """
    check_start(data[:START_BYTES])
    if data.startswith(DEBUG1_START):
        profile: Profile = parse_debug1(data)
    elif data.startswith(TEXT_STARTS):
        profile = parse_debug2(data)
    else:
        profile = parse_proto(data)
    if profile.kind == GOROUTINE and not profile.stacks:
        raise ProfileError("the profile shows no goroutine", Refusal.EMPTY)
    return profile
