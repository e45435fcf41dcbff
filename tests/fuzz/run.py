"""Lets damaged binaries loose on the parsers: `python -m tests.fuzz.run SECONDS`, or `--examples N` for a fixed series.

Every example must end with a typed error or a result, within the limits of `harness`; whatever does not is written into
tests/fuzz/corpus and ends the run with 1.
"""

import contextlib
import random
import sys
from collections.abc import Callable, Sequence

import numpy as np
from gosonde_agent.golang import (
    binary,
    build_version,
    buildinfo,
    dwarf,
    layouts,
    symtab,
)
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.stack_maps import StackMaps
from gosonde_agent.sources.memory.reachability.live_slots import LiveSlots, Stacks
from gosonde_common.errors import GosondeError

from tests.fuzz.damage import SEEDS, Damage, opened, random_damage, seed_bytes
from tests.fuzz.harness import CORPUS, Subject
from tests.fuzz.naming import name_variables

ADDRESSES = 40
STACKS, STACK_WORDS = 50, 100


def exercise(damage: Damage) -> None:
    """Asks every parser everything; only typed errors may come out, and they are swallowed here one by one."""
    with opened(damage) as fd:
        with contextlib.suppress(GosondeError):
            image_parts(ElfImage(fd))
        with contextlib.suppress(GosondeError):
            all_of(binary.load(fd, "damaged"), random.Random(0))


def image_parts(image: ElfImage) -> None:
    """What can be asked of a file without its pclntab."""
    parts: tuple[Callable[[], object], ...] = (
        lambda: dwarf.read_structures(image, layouts.structure_names()),
        lambda: dwarf.read_constants(image, layouts.SPECIAL_KIND),
        lambda: name_variables(image),
        lambda: symtab.addresses(image, ["runtime.newproc1", "runtime.gopark"]),
        lambda: buildinfo.read_build_id(image),
        lambda: buildinfo.content_digest(image),
        lambda: buildinfo.read_version_string(image),
        lambda: build_version.read_go_version(image),
    )
    for part in parts:
        with contextlib.suppress(GosondeError):
            part()


def all_of(known: binary.GoBinary, chance: random.Random) -> None:
    """What can be asked of a binary whose pclntab was taken for good."""
    low, high = int(known.pclntab.entries[0]), int(known.pclntab.entries[-1])
    pcs = [chance.randrange(low, high + 1) for _ in range(ADDRESSES)] + [0, low, high, (1 << 64) - 1]
    stacks(known, chance, pcs)
    for pc in pcs:
        for question in (known.pclntab.frames_of, known.pclntab.location_of, known.pclntab.function_of):
            with contextlib.suppress(GosondeError):
                question(pc)
        known.go_statement(pc)
        known.start_function(pc)


def stacks(known: binary.GoBinary, chance: random.Random, pcs: Sequence[int]) -> None:
    """Its frames by themselves, and in stacks of any words, in which all its functions are called."""
    maps = StackMaps(known.pclntab)
    for pc in pcs:
        with contextlib.suppress(GosondeError):
            details = known.pclntab.details_of(pc)
            if details is not None:
                maps.at(details, pc)
    goexit = known.pclntab.find("runtime.goexit")
    calls = [*pcs, *([goexit.entry + 1] * 20 if goexit else [])]
    words = np.array(chance.choices([*calls, *range(0, STACK_WORDS, 8)], k=STACKS * STACK_WORDS), np.uint64)
    firsts, sps = np.arange(STACKS + 1) * STACK_WORDS, np.zeros(STACKS, np.uint64)
    first_pcs = np.array(chance.choices(calls, k=STACKS), np.uint64)
    with contextlib.suppress(GosondeError):
        slots = LiveSlots(known.pclntab, known.version)
        assert len(slots.dead(Stacks(words, firsts, sps, first_pcs, sps, sps, sps), 0)) == len(words)


def main() -> None:
    """Runs the examples."""
    for seed in SEEDS:
        seed_bytes(seed)
    Subject("damaged binaries", CORPUS, Damage.from_json, random_damage, exercise).run(sys.argv[1:])


if __name__ == "__main__":
    main()
