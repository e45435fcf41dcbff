"""Why it is not known that nothing leaks, though nothing was seen to: what was not counted, or not for long enough."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gosonde_cli.rendering import counted
from gosonde_cli.suspects.reading import Reading

#: Where these are not 0, live goroutines of a statement are not what was counted.
OF_COUNTS: Final = (
    *("sites_full", "shares_full", "images_full", "gopc_unreadable", "samples_lost", "breakpoints_replaced"),
    *("observations_failed", "live_mismatch_events_lost", "live_mismatch_unexplained"),
)
#: Fewer readings of memory show no rise.
FEWEST: Final = 2


def gaps(document: Mapping[str, Any], reading: Reading) -> Iterator[str]:
    """What is missing for an all-clear by the document of `gosonde trace`, in sentences; nothing where all is there."""
    process = document["process"]
    if not (process["counted_from_start"] and process["precise"]) and reading.looks < FEWEST:
        why = reading.failed or "it ended before"
        yield f"nothing is known of leaks: its memory was read {counted(reading.looks, 'time')} ({why})"
    if process["became"]:
        yield f"by exec it became {process['became']}, which was not watched: check that"
    if document["source_left"]:
        yield f"it was not counted to the end: {document['source_left']}"
    for name in OF_COUNTS:
        if number := document["lost"].get(name, 0):
            yield f"counts are not whole: lost {name}: {number:,}"
