"""Names ways of a damaged file and of damaged memory, with whatever lies there: what the fuzzers ask of names."""

import random

import numpy as np
from gosonde_agent.golang.dwarf_types import DwarfTypes
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.globals import Globals, read_symbols
from gosonde_agent.golang.go_types import GoType, place_in
from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.names import namer_of
from gosonde_agent.sources.memory.reachability.paths import Path, Root, Step
from gosonde_agent.sources.memory.reachability.roots import GLOBAL, PROCESSOR, QUEUE, SPECIAL, STACK
from gosonde_agent.sources.memory.reachability.seen import MAX_TEXT
from gosonde_agent.sources.memory.target import Target
from gosonde_common.errors import GosondeError

TRIES = 60
#: Types that are described from one variable on.
MAX_TYPES = 200
SIZES = (8, 16, 48, 96, 112, 208, 1_024, 8_192)


def name_variables(image: ElfImage) -> None:
    """What can be asked of a file's variables and types."""
    chance = random.Random(0)
    symbols = read_symbols(image)
    try:
        types = DwarfTypes(image)
    except GosondeError:
        Globals(image, symbols).at(0x600000)
        return
    variables = Globals(image, symbols, types)
    low = int(symbols.addresses[0]) if len(symbols.addresses) else 0x400000
    for address in [low + chance.randrange(1 << 19) for _ in range(TRIES)] + symbols.addresses[-TRIES:].tolist():
        variables.at(address)
        variable = types.variable_at(address)
        if variable is not None:
            describe(variable.type, chance)


def describe(first: GoType, chance: random.Random) -> None:
    """Looks into a type and those that it names."""
    waiting = [first]
    for _ in range(MAX_TYPES):
        if not waiting:
            return
        found = waiting.pop()
        for offset in (0, 8, chance.randrange(found.size + 1)):
            try:
                assert len(place_in(found, offset).text) < 1 << 17
                waiting += [found.other(one) for one in (found.element, found.cells) if one]
                waiting += [found.other(field.type) for field in found.fields[:8]]
            except MalformedBinaryError:
                continue


def name_ways(target: Target, goroutines: Goroutines, addresses: list[int]) -> None:
    """Names made-up ways through what the process holds at some addresses, and at what lies there."""
    chance = random.Random(0)
    namer = namer_of(target)
    goids = [int(goid) for goid in goroutines.goid[:TRIES]] or [1]
    for _ in range(TRIES):
        at = first = chance.choice(addresses) + 8 * chance.randrange(64)
        steps = []
        for _ in range(chance.randrange(1, 6)):
            try:
                value = int(np.frombuffer(target.runtime.memory.read(at, 8), "<u8")[0])
            except GosondeError:
                value = chance.choice(addresses)
            steps.append(Step(value & ~7, chance.choice(SIZES), 0, at))
            at = (value & ~7) + 8 * chance.randrange(16)
        root = Root(chance.choice((GLOBAL, STACK, PROCESSOR, SPECIAL, QUEUE)), first, chance.choice(goids))
        awaited = chance.choice(("", "channel", "sync.Mutex", "semaphore"))
        names = namer.name(Path(root, tuple(steps)), goroutines, awaited)
        assert all(0 < len(name) <= MAX_TEXT for name in names)
