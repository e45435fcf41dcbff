"""Damages contexts of a stopped Go process: `python -m tests.fuzz.run_contexts SECONDS` or `--examples N`.

As in `run_memory`, some examples also damage the layout, and every example must end with a typed error or a result.
"""

import contextlib
import functools
from collections.abc import Mapping
from typing import Final

import numpy as np
from gosonde_agent.golang.go_types import Kind
from gosonde_agent.sources.memory.contexts.listing import read_contexts
from gosonde_agent.sources.memory.contexts.reading import ContextReader
from gosonde_agent.sources.memory.contexts.tree import read_tree
from gosonde_agent.sources.memory.contexts.types import STRUCTS
from gosonde_agent.sources.memory.target import Target
from gosonde_common.errors import GosondeError

from tests import go_programs
from tests.fuzz.programs import Programs
from tests.fuzz.run_memory import Process, heap_places
from tests.go_programs import GoProgram

PROGRAMS: Final = ("contexts/forgotten", "contexts/chains")
STRUCTURES: Final = ("moduledata", "special", "hchan", "sudog", "g", "mheap", "mspan", "timer", "p")
#: Contexts that are damaged, and bytes of a description of a type and of what is behind it.
SOME: Final = 16
TYPE_BYTES: Final = 96


def places(target: Target) -> Mapping[str, tuple[int, int]]:
    """Where is what leads to contexts, and from them on."""
    reader, found = ContextReader(target), dict(heap_places(target))
    contexts = reader.read().of
    assert len(contexts) > 2
    for index, (at, size) in enumerate(zip(contexts.at.tolist(), contexts.size.tolist(), strict=True)):
        if index < SOME:
            found[f"context{index}"] = (at, size)
    for index, at in enumerate(np.unique(contexts.parent).tolist()):
        found[f"itab{index}"] = (at, 24)
    for index, at in enumerate(contexts.children[contexts.children != 0].tolist()):
        found[f"map{index}"] = (at, 48)
    for index, name in enumerate(STRUCTS):
        for address, described in reader.named.named(f"*{name}", Kind.POINTER).items():
            found[f"pointer{index}"] = (address, TYPE_BYTES)
            found[f"struct{index}"] = (described.element, TYPE_BYTES)
    for index, bucket in enumerate(np.unique(reader.read().sampled[1])[:SOME].tolist()):
        found[f"bucket{index}"] = (bucket, TYPE_BYTES)
    return found


@functools.cache
def process(version: str, program: str) -> Process:
    """A program that has contexts, all of them in its heap profile, built by a version."""
    return Process(GoProgram(go_programs.build(program, version), "8", "1").__enter__(), places)


def read(target: Target) -> None:
    """All of them, and the tree of the first goroutine."""
    with contextlib.suppress(GosondeError):
        found = read_contexts(target)
        assert all(group.live > 0 and group.children >= 0 for group in found.groups)
    read_tree(target, 1)


def main() -> None:
    """Runs the examples."""
    Programs(process, PROGRAMS, STRUCTURES, read).run("damaged contexts", "contexts")


if __name__ == "__main__":
    main()
