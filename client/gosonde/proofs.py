"""What a search of a process's memory found, as a collector answers."""

from dataclasses import dataclass

from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.wire import outcomes
from gosonde_pb.v1 import collector_pb2


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A path from a root to what goroutines wait for, and how many are reached on it."""

    path: tuple[str, ...]
    goroutines: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What the newest search of the process's memory found of a statement's goroutines. docs/json.md says more."""

    searched_unix_nano: int
    scans: int
    examined: int
    proved: int
    probable: int
    oldest_wait_ns: int
    retained_stack_bytes: int
    retained_heap_bytes: int
    held_by: tuple[HeldBy, ...]


@dataclass(frozen=True, slots=True)
class SearchedSite:
    """A `go` statement and what was found of it; the first three are empty, or 0, where nothing names it."""

    function: str
    file: str
    line: int
    proof: Proof


@dataclass(frozen=True, slots=True)
class Searched:
    """A search that was made on request and is stored.

    Attributes:
        outcome: What was found of all goroutines of the process.
        age_ns: How long ago it ended.
        sites: Statements whose goroutines were examined, those with the most proved goroutines first.
    """

    outcome: SearchOutcome
    age_ns: int
    sites: tuple[SearchedSite, ...]


def searched_of(answer: collector_pb2.TakeSnapshotResponse) -> Searched:
    """What a collector answers who was asked for a proof."""
    sites = (SearchedSite(row.site.function, row.site.file, row.site.line, proof_of(row.proof)) for row in answer.sites)
    return Searched(outcomes.decode(answer.outcome), answer.age_ns, tuple(sites))


def proof_of(proof: collector_pb2.Proof) -> Proof:
    """The proof in a message."""
    return Proof(
        proof.searched_unix_nano,
        proof.scans,
        proof.examined,
        proof.proved,
        proof.probable,
        proof.oldest_wait_ns,
        proof.retained_stack_bytes,
        proof.retained_heap_bytes,
        tuple(HeldBy(tuple(holder.path), holder.goroutines) for holder in proof.held_by),
    )
