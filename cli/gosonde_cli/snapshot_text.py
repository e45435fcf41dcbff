"""A stored snapshot, for people."""

from gosonde.collector_client import Pushed

from gosonde_cli import rendering

#: Kinds of profiles that count goroutines; the others are context.
COUNTING = frozenset({"goroutine", "goroutineleak"})


def snapshot_line(snapshot: Pushed) -> str:
    """A stored snapshot in a sentence."""
    what = rendering.counted(snapshot.goroutines, "goroutine") if snapshot.kind in COUNTING else "context"
    reading = "".join(
        (
            f"; recognized: {', '.join(snapshot.recognized)}" if snapshot.recognized else "",
            f"; {rendering.counted(snapshot.passed_over, 'line')} passed over" if snapshot.passed_over else "",
            f"; partial: {snapshot.partial}" if snapshot.partial else "",
        )
    )
    stacks = rendering.counted(snapshot.distinct_stacks, "distinct stack")
    return (
        f"snapshot {snapshot.snapshot_id}: {snapshot.kind} profile, {what} with {stacks}, "
        f"read from {snapshot.format}, taken {snapshot.age_ns / 1e9:.1f} s before it arrived{reading}"
    )
