"""The timeline of a trace: its file, and what is said of it; docs/json.md describes the document."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gosonde_common.errors import UsageError

from gosonde_cli.perfetto.trace import encoded
from gosonde_cli.rendering import counted, duration
from gosonde_cli.writing import write_bytes

if TYPE_CHECKING:
    from gosonde_agent.watch.trace.seen import Trace

OPTION: Final = "--perfetto"


def refuse_unwritable(path: Path) -> None:
    """Finds out before a trace whether its file can be written.

    Raises:
        UsageError: It cannot.
    """
    if path.is_dir():
        raise UsageError(f"{OPTION} {path}: it is a folder")
    if not path.parent.is_dir():
        raise UsageError(f"{OPTION} {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{OPTION} {path}: it may not be written")


def written(seen: "Trace", path: Path) -> dict[str, Any] | None:
    """Writes the file; what is to be said of it, or None where the process ended before a timeline could begin.

    Raises:
        UsageError: It cannot be written.
    """
    timeline = seen.timeline
    if timeline is None:
        return None
    data = b"".join(encoded(seen, timeline))
    write_bytes(OPTION, path, data)
    return {
        "file": str(path),
        "file_bytes": len(data),
        "window_ns": timeline.end_ns - timeline.begin_ns,
        "ended_because": timeline.why_ended,
        "goroutines": len(timeline.lines),
        "left_out": timeline.left_out,
        "changes": timeline.changes,
        "lost": timeline.lost,
        "unseen": timeline.unseen,
        "probe_ns": timeline.cost_ns,
        "not_read": timeline.not_read,
    }


def lines(document: dict[str, Any] | None) -> Iterator[str]:
    """The same for people."""
    if document is None:
        yield "no timeline: the process ended before it could begin"
        return
    what = f"{counted(document['changes'], 'change')} of {counted(document['goroutines'], 'goroutine')}"
    window = f"{duration(document['window_ns'])}, ended because {document['ended_because']}"
    yield f"timeline {document['file']}: {what} in {window}"
    if document["left_out"]:
        yield f"  {counted(document['left_out'], 'goroutine')} that did nothing are left out"
    if document["unseen"]:
        yield f"  {counted(document['unseen'], 'change')} not seen: a goroutine was found in another state than left in"
    if document["not_read"]:
        yield f"  goroutines from before are not named: {document['not_read']}"
    if document["lost"]:
        yield f"  lost: {counted(document['lost'], 'change')} for which there was no room"
