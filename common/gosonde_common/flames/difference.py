"""What changed between two snapshots, as one tree of calls."""

from collections.abc import Iterable, Sequence

from gosonde_common.flames.tree import Stack, Tree
from gosonde_common.values.goroutines import Location


def difference(name: str, earlier: Iterable[Stack], later: Iterable[Stack]) -> Tree:
    """The calls of both, each with its goroutines of before and of now, whatever their states are."""
    calls: dict[tuple[str, ...], Sequence[Location]] = {}
    counts: dict[tuple[str, ...], list[int]] = {}
    for number, stacks in enumerate((earlier, later)):
        for stack in stacks:
            functions = tuple(call.function for call in stack.calls)
            calls.setdefault(functions, stack.calls)
            counts.setdefault(functions, [0, 0])[number] += stack.goroutines
    tree = Tree(name)
    for functions, (before, now) in sorted(counts.items(), key=lambda one: -max(one[1])):
        tree.add(Stack(calls[functions], now, "", before=before))
    return tree
