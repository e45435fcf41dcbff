"""Findings that are one story: their counts grow together and their stacks meet, as of a connection's goroutines."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

from gosonde_collector.analysis.finding import OVER, Finding
from gosonde_collector.analysis.user_code import is_user_code
from gosonde_collector.evidence.model import Frame
from gosonde_collector.evidence.names import is_dependency, is_standard, package_of

#: Two counts grow together when the larger rise is so many times the other, give or take TOLERANCE.
MULTIPLES: Final = (1, 2, 3, 4)
TOLERANCE: Final = 0.15
#: A rise that is smaller says nothing.
FEWEST: Final = 5
#: Findings of one process that are compared, at most.
MAX_COMPARED: Final = 100
#: Hosts of code below which a repository's name has two elements.
FORGES: Final = frozenset({"github.com", "gitlab.com", "bitbucket.org"})


def leads(findings: Sequence[Finding]) -> dict[str, str]:
    """For each finding that is part of another's story, by id, the id of that one."""
    parts: dict[str, str] = {}
    for group in _processes(findings):
        for story in _stories(group[:MAX_COMPARED]):
            lead = min(story, key=_rank)
            parts.update({found.id: lead.id for found in story if found is not lead})
    return parts


def _processes(findings: Sequence[Finding]) -> list[list[Finding]]:
    groups: dict[object, list[Finding]] = {}
    for found in findings:
        if found.state not in OVER and found.stacks:
            groups.setdefault((found.host, found.process), []).append(found)
    return [group for group in groups.values() if len(group) > 1]


def _stories(group: Sequence[Finding]) -> Iterator[list[Finding]]:
    """The findings that are joined with others, by whatever joins them."""
    story = list(range(len(group)))
    for one, other in combinations(range(len(group)), 2):
        if story[one] != story[other] and _grow_together(group[one], group[other]) and _meet(group[one], group[other]):
            story = [story[one] if number == story[other] else number for number in story]
    for number in set(story):
        together = [found for found, own in zip(group, story, strict=True) if own == number]
        if len(together) > 1:
            yield together


def _rank(found: Finding) -> tuple[bool, int, str]:
    """The program's own statement first, then the one with the most goroutines."""
    return not is_user_code(Frame(found.site.function, found.site.file, 0)), -found.live, found.id


def _grow_together(one: Finding, other: Finding) -> bool:
    fewer, more = sorted((one.live - one.base, other.live - other.base))
    if fewer < FEWEST:
        return False
    return any(abs(more / fewer - multiple) <= TOLERANCE for multiple in MULTIPLES)


def _meet(one: Finding, other: Finding) -> bool:
    """Whether one was started by what the other runs, or one is started in a library that is on the other's stack."""
    return any(
        started.site.function in {frame.function for frame in _frames(beside)}
        or _root(started.site.function, started.site.file) in _roots(beside)
        for started, beside in ((one, other), (other, one))
    )


def _frames(found: Finding) -> tuple[Frame, ...]:
    return found.stacks[0][1]


def _roots(found: Finding) -> set[str]:
    """The libraries of a finding's stack and of its `go` statement."""
    places = (Frame(found.site.function, found.site.file, 0), *_frames(found))
    return {_root(frame.function, frame.file) for frame in places} - {""}


def _root(function: str, file: str) -> str:
    """The repository of a library's function, the package of one of Go's own; empty for the program's own code."""
    package = package_of(function)
    if is_standard(function):
        return package if "/" in package else ""
    if not is_dependency(file):
        return ""
    elements = package.split("/")
    return "/".join(elements[: 3 if elements[0] in FORGES else 2])
