"""The contexts of one goroutine, as lines: each below the one that it was made from."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from gosonde_cli.rendering import cell, counted, duration

if TYPE_CHECKING:
    from gosonde_agent.sources.memory.contexts.values import ContextNode, ContextTree

OWN: Final = "*"
STEP: Final = "  "


def lines(tree: "ContextTree") -> list[str]:
    """The tree, and what the marks mean."""
    if not tree.contexts:
        return [f"Goroutine {tree.goid} has no context on its stack, and waits for none."]
    about = f"{OWN} goroutine {tree.goid} has it on its stack, or waits for its Done"
    return [*_nodes(tree.contexts, ""), about]


def gaps(tree: "ContextTree") -> Iterator[str]:
    """What is not shown, in sentences."""
    if tree.left_out:
        yield f"left out: {counted(tree.left_out, 'further context')} made from these"
    if tree.changing:
        yield f"not shown: {counted(tree.changing, 'context')} of the process, made or ended while being read"


def _nodes(nodes: "Sequence[ContextNode]", indent: str) -> Iterator[str]:
    for node in nodes:
        yield f"{OWN if node.is_own else ' '} {indent}{', '.join(_texts(node))}"
        yield from _nodes(node.children, indent + STEP)


def _texts(node: "ContextNode") -> Iterator[str]:
    yield cell(node.name)
    if node.cancel is not None:
        yield node.cancel.value
    if node.deadline_ns is not None:
        yield f"ends in {duration(node.deadline_ns)}"
    if node.waiting:
        verb = "waits" if node.waiting == 1 else "wait"
        yield f"{counted(node.waiting, 'goroutine')} {verb}" + (f" in {cell(node.waits_in)}" if node.waits_in else "")
