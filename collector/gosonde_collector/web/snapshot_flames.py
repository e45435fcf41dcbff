"""Flame graphs of one snapshot and of what changed from one to another, by the code of `gosonde goroutines --svg`."""

from collections.abc import Iterator, Sequence

from gosonde_common.flames.difference import difference
from gosonde_common.flames.placing import By, calls, state_of
from gosonde_common.flames.svg import flame_graph, flame_graph_of_change
from gosonde_common.flames.tree import Stack, Tree

from gosonde_collector.analysis.looked_at import Group, comparable, groups
from gosonde_collector.web.rendering import moment
from gosonde_collector.web.snapshot_filters import Filters
from gosonde_collector.web.snapshot_view import Chosen, sample_note

ROOT = "all goroutines"


def picture(pid: int, chosen: Sequence[Chosen], filters: Filters) -> Iterator[str]:
    """Pieces of the document, of one snapshot or of two, the earlier one first.

    Raises:
        InvalidInputError: A filter cannot be answered.
    """
    found = filters.looked_at(*(one.profile for one in chosen))
    title = f"goroutines of pid {pid}, {' to '.join(moment(one.row.profile.taken_unix_nano) for one in chosen)}"
    if note := sample_note(found):
        title = f"{title}; {note}"
    by = By.SITE if note and len(found) == 2 and filters.by is By.STACK else filters.by
    stacks = [_stacks(groups(one), by) for one in (comparable(found) if len(found) == 2 else found)]
    if len(stacks) == 2:
        return flame_graph_of_change(difference(ROOT, *stacks), title)
    tree = Tree(ROOT)
    for stack in stacks[0]:
        tree.add(stack)
    return flame_graph(tree, title, filters.colour(chosen[0].profile))


def _stacks(found: Sequence[Group], by: By) -> list[Stack]:
    return [
        Stack(calls(group.kind, by), group.goroutines.about, state_of(group.kind), group.wait_ns) for group in found
    ]
