"""What the stacks of a process's goroutines say of each `go` statement: where they wait, the cause, the remedy."""

import gzip
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gosonde_common.values.goroutines import Location

from gosonde_cli.importing import needing

if TYPE_CHECKING:
    from gosonde_collector.analysis.dumps import Creation
    from gosonde_common.values.goroutines import Goroutine


def creations(goroutines: "Iterable[Goroutine]") -> "dict[Location, Creation]":
    """What the stacks of a process's goroutines say of each `go` statement.

    Raises:
        UnsupportedError: A library is missing.
        GosondeError: The process ended, or may not be read.
    """
    with needing("agent,collector"):
        from gosonde_collector.analysis.dumps import summarize  # noqa: PLC0415
        from gosonde_collector.evidence.model import GoroutineProfile  # noqa: PLC0415
        from gosonde_collector.evidence.parse import parse_profile  # noqa: PLC0415
        from gosonde_common.wire.profile import encode_profile  # noqa: PLC0415
    encoded = encode_profile(goroutines, time.time_ns())
    profile = parse_profile(gzip.decompress(encoded))
    assert isinstance(profile, GoroutineProfile)  # noqa: S101  # it was encoded as one
    return {Location(made.function, made.file, made.line): made for made in summarize(profile).sites}
