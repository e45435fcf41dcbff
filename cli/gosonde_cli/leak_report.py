"""What `gosonde leaks` says of a process: what is proved, what is probable and why, and who holds the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gosonde_common.values.ages import EVENLY, SECOND, Ages, AgesByGoid
from gosonde_common.values.goroutines import Location
from gosonde_common.values.reachability import Holder, Proof, SiteProof

from gosonde_cli.leak_census import Census

if TYPE_CHECKING:
    from gosonde_collector.analysis.dumps import Creation

#: So many goroutines of one statement must have begun between two readings, and none have ended, to call it growing.
BEGUN: Final = 10
#: Why probable goroutines are not proved.
PROOF_TAKES: Final = "a proof needs more scans, or a process without C code"


@dataclass(frozen=True, slots=True)
class LeakProcess:
    """Which process."""

    pid: int
    exe: str
    go_version: str
    build_id: str


@dataclass(frozen=True, slots=True)
class LeakSite:
    """One `go` statement; docs/leaks.md describes each.

    Attributes:
        evidence: Why goroutines are probably leaked, or may be, in sentences.
    """

    function: str
    file: str
    line: int
    start_function: str
    live: int
    proved: int
    probable: int
    evidence: tuple[str, ...]
    held_by: tuple[Holder, ...]
    cause: str
    remedy: str
    retained_stack_bytes: int
    retained_heap_bytes: int | None
    oldest_wait_ns: int | None
    ages: Ages


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The whole verdict; docs/leaks.md describes each key."""

    process: LeakProcess
    decided: bool
    why: str
    scans: int
    proved: int
    probable: int
    sites: tuple[LeakSite, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """Who was there before the proof and after it, and how old the program is."""

    first: Census
    last: Census
    program_age_ns: int

    def growth(self, statement: Location) -> str:
        """Says that a statement's goroutines become more; empty where they do not."""
        before, now = frozenset(self.first.goids(statement)), frozenset(self.last.goids(statement))
        begun = len(now - before)
        if begun < BEGUN or before - now:
            return ""
        return f"{begun:,} created in {(self.last.at_ns - self.first.at_ns) / SECOND:.1f} s, and none exited"


def report(
    process: LeakProcess, proof: Proof, watched: Watched, creations: Mapping[Location, "Creation"]
) -> LeakReport:
    """Joins the proof with two countings, one before and one after it, and with what the stacks say of causes.

    Args:
        creations: By `go` statement.
    """
    ages = AgesByGoid(watched.last.waits, watched.program_age_ns)
    sites = [
        _site(site, watched.growth(place), ages.of(watched.last.goids(place)), creations.get(place))
        for site in proof.sites
        for place in [site.created_by]
    ]
    ranked = sorted(sites, key=lambda one: (-one.proved, -one.probable, -len(one.evidence), -one.live))
    proved, probable = (sum(getattr(one, name) for one in sites) for name in ("proved", "probable"))
    return LeakReport(process, proof.decided, proof.why, proof.scans, proved, probable, tuple(ranked))


def _site(site: SiteProof, growth: str, ages: Ages, creation: "Creation | None") -> LeakSite:
    evidence = [f"{site.probable:,} can probably never be woken; {PROOF_TAKES}"] if site.probable else []
    evidence += [growth] if growth else []
    never_ends = bool(growth and ages.even)
    evidence += [EVENLY] if never_ends else []
    return LeakSite(
        site.created_by.function,
        site.created_by.file,
        site.created_by.line,
        site.start_function,
        site.live,
        site.proved,
        max(site.live - site.proved, 0) if never_ends else site.probable,
        tuple(evidence),
        site.held_by,
        creation.cause if creation else "unknown",
        creation.remedy if creation else "",
        site.retained_stack_bytes,
        site.retained_heap_bytes,
        site.oldest_wait_ns,
        ages,
    )
