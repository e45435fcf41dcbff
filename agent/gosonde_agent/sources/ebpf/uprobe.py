"""One probe: a program at an instruction of a file, for as long as its descriptors are open."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from gosonde_common.unbroken import unbroken

from gosonde_agent.sources.ebpf.loading import Probes


@dataclass(frozen=True, slots=True)
class Place:
    """An instruction, by its offset in an open file: in one process, or (None) in all that run it, now or later."""

    fd: int
    offset: int
    pid: int | None


def placed(probes: Probes, program: str, place: Place, cookie: int) -> list[int]:
    """Runs a program at a place, with a cookie; what holds it there, to be closed by `close_all`.

    Raises:
        GosondeError: As `attaching.open_uprobe`.
    """
    if probes.together:
        return [probes.link_uprobe(program, place.fd, place.offset, place.pid, cookie)]
    event = probes.open_uprobe(place.fd, place.offset, place.pid)
    try:
        return [event, probes.link(program, event, cookie)]
    except BaseException:
        close_all([event])
        raise


def close_all(descriptors: Sequence[int]) -> None:
    """Closes them, the last one first. When this returns, what they held cannot be hit any more."""
    for descriptor in reversed(descriptors):
        with unbroken(), contextlib.suppress(OSError):
            os.close(descriptor)
