"""A profile of any kind and format into plain values."""

from dataclasses import replace

from gosonde_collector.evidence.cleaning import behind_hole, cleaned, is_text
from gosonde_collector.evidence.context import ContextProfile
from gosonde_collector.evidence.debug1 import parse_debug1
from gosonde_collector.evidence.debug2 import parse_debug2
from gosonde_collector.evidence.execution_trace import parse_trace
from gosonde_collector.evidence.model import GOROUTINE, GoroutineProfile, Reading
from gosonde_collector.evidence.prefixes import ANCHOR
from gosonde_collector.evidence.trace_generations import is_trace
from gosonde_collector.evidence.upload import START_BYTES, check_start, unknown
from gosonde_collector.evidence.wire import parse_proto
from gosonde_collector.model.errors import ProfileError, Refusal

Profile = GoroutineProfile | ContextProfile


def parse_profile(data: bytes, *, partial: bool = False) -> Profile:
    """Parses an inflated file; its content determines its kind and format.

    Args:
        data: The file.
        partial: Whether to take a dump that is cut off; one that Go itself cut is taken always.

    Raises:
        ProfileError: It is none of them, is damaged, or shows nothing where there must be something: a running process
            has at least one goroutine. A goroutineleak profile may be empty.
    """
    data = behind_hole(data)
    check_start(data[:START_BYTES])
    if is_trace(data):
        return parse_trace(data)
    text, found = cleaned(data) if is_text(data) else (b"", ())
    if anchor := ANCHOR.search(text):
        profile: Profile = _parse_text(text, anchor[0], found, len(data), partial=partial)
    elif text and not _may_be_proto(data):
        raise unknown(data[:START_BYTES], f": {len(text.splitlines())} lines of text and no goroutine")
    else:
        profile = parse_proto(data)
    if profile.kind == GOROUTINE and not profile.stacks:
        raise ProfileError("the profile shows no goroutine", Refusal.EMPTY)
    return profile


def _parse_text(text: bytes, anchor: bytes, found: tuple[str, ...], size: int, *, partial: bool) -> GoroutineProfile:
    profile = parse_debug1(text) if b" profile: total" in anchor else parse_debug2(text, partial=partial, size=size)
    reported = profile.reading
    return replace(profile, reading=Reading((*found, *reported.recognized), reported.passed_over, reported.partial))


def _may_be_proto(data: bytes) -> bool:
    """Whether a file that looks like text begins with a field of a profile.proto, which has bytes that no text has."""
    return (data[:1] < b" " and data[:1] not in b"\t\r\n") or any(byte < 9 for byte in data[:64])
