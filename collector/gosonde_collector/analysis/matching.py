"""How many goroutines of a snapshot belong to a `go` statement.

debug=2 and what was read from memory name the statement. The other formats name only the function that runs first,
and never the one that the compiler wraps around it, so that the answer is a range: at least, at most. See
docs/adr/0011-start-functions.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gosonde_collector.evidence.model import (
    WITH_STATEMENT,
    Frame,
    GoroutineGroup,
    GoroutineProfile,
    as_reported,
)
from gosonde_collector.evidence.names import plain_name
from gosonde_collector.model.values import Site


@dataclass(frozen=True, slots=True)
class Count:
    """Between `least` and `most` goroutines of a snapshot were started by a site; `how` says in words why."""

    least: int
    most: int
    how: str


def count_goroutines(profile: GoroutineProfile, site: Site, others: Iterable[Site]) -> Count:
    """How many goroutines of the profile `site` started; `others` are the known sites of the same process."""
    if profile.format in WITH_STATEMENT:
        return _by_statement(profile, site, others)
    return _by_start(profile, site, others)


def goroutines_of(profile: GoroutineProfile, site: Site) -> list[GoroutineGroup]:
    """The groups that `site` started, as far as the format shows; of a line with several sites, those of all."""
    if profile.format in WITH_STATEMENT:
        return [group for group in profile.groups if group.created_by and is_statement(group.created_by, site)]
    start = plain_name(site.start_function)
    if not start:
        return []
    return [group for group in profile.groups if group.frames and plain_name(group.frames[-1].function) == start]


def goids_of(profile: GoroutineProfile, site: Site) -> list[int]:
    """The numbers of the goroutines in `goroutines_of`, as far as they are known."""
    return [goid for group in goroutines_of(profile, site) for goid in group.goids]


def is_statement(by: Frame, site: Site) -> bool:
    """Whether what a profile says of a `go` statement is the site."""
    if by.line != site.line:  # most are others, and names take long to compare
        return False
    return Frame(plain_name(by.function), as_reported(by.file, site.file), by.line) == _statement(site)


def _statement(site: Site) -> Frame:
    return Frame(plain_name(site.function), site.file, site.line)


def _by_statement(profile: GoroutineProfile, site: Site, others: Iterable[Site]) -> Count:
    created = ((group.created_by, group.count) for group in profile.groups if group.created_by)
    here = _statement(site)
    count = sum(n for by, n in created if is_statement(by, site))
    sharing = sum(_statement(other) == here for other in others if other.pc != site.pc)
    where = f"created by {site.function} at {site.file}:{site.line}"
    if sharing:
        return Count(0, count, f"{where}, a line with {sharing + 1} go statements")
    return Count(count, count, where)


def _by_start(profile: GoroutineProfile, site: Site, others: Iterable[Site]) -> Count:
    starts: dict[str, int] = {}
    for group in profile.groups:
        if group.frames:
            name = plain_name(group.frames[-1].function)
            starts[name] = starts.get(name, 0) + group.count
    total = sum(group.count for group in profile.groups)
    start = plain_name(site.start_function)
    taken = {plain_name(other.start_function) for other in others if other.pc != site.pc} - {""}
    here = starts.get(start, 0) if start else 0
    unclaimed = total - sum(starts.get(name, 0) for name in taken | {start})
    if not start:
        return Count(0, unclaimed, "whose start function is not known")
    if start in taken:
        return Count(0, here + unclaimed, f"starting in {start}, which several go statements start")
    return Count(here, here + unclaimed, f"starting in {start}")
