"""What a search of a process's memory found, for people."""

from collections.abc import Iterator
from typing import Final

from gosonde.proofs import Proof, Searched

from gosonde_cli import rendering

MIB: Final = 1 << 20


def proof_lines(proof: Proof) -> list[str]:
    """Of one `go` statement, and the ways to those that can still be woken."""
    waits = "waits" if proof.examined == 1 else "wait"
    found = (
        f"of {proof.examined:,} that {waits}, {proof.proved:,} can never be woken, {proof.probable:,} very probably not"
    )
    scans = rendering.counted(proof.scans, "scan")
    lines = [f"{found} ({scans} of memory, the last at {rendering.moment(proof.searched_unix_nano)})"]
    if proof.oldest_wait_ns:
        lines.append(f"the oldest of these has waited for {rendering.duration(proof.oldest_wait_ns)}")
    if retained := proof.retained_stack_bytes + proof.retained_heap_bytes:
        lines.append(f"they alone retain at least {retained / MIB:,.1f} MiB")
    lines += [f"{holder.goroutines:>8,} held by {rendering.cell(' → '.join(holder.path))}" for holder in proof.held_by]
    return lines


def search_lines(searched: Searched) -> Iterator[str]:
    """Of a whole process, then of each `go` statement."""
    found = searched.outcome
    if found.scans:
        scans = rendering.counted(found.scans, "scan")
        examined = rendering.counted(found.examined, "goroutine that waits", "goroutines that wait")
        yield (
            f"of {examined}, {found.proved:,} can never be woken (proved), "
            f"{found.probable:,} very probably not, {found.held:,} may be "
            f"({scans} of memory, the last {rendering.duration(searched.age_ns)} ago)"
        )
    if found.undecided:
        yield f"not decided: {rendering.cell(found.undecided)}"
    for site in searched.sites:
        place = f"  {site.file}:{site.line}" if site.file else ""
        yield rendering.cell(f"{site.function or 'a statement that is not named'}{place}")
        yield from (f"  {line}" for line in proof_lines(site.proof))
