"""What the garbage collector still finds through a stack is alive; what a function is done with is known to be dead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.sources.memory.goroutines import PARKED, RUNNABLE, SYSCALL, WAITING
from gosonde_agent.sources.memory.reachability.live_slots import LiveSlots
from gosonde_agent.sources.memory.target import opened

from tests.go_programs import GoProgram
from tests.integration.stopped_stacks import Bools, Stopped, read, stopped
from tests.versions import VERSIONS

Start = Callable[..., GoProgram]

BUILDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "unoptimised": {"flags": ("-gcflags=all=-N -l",)},
    "stripped-pie": {"ldflags": ("-s", "-w"), "buildmode": "pie"},
}
#: Of these the stack has only what leads to them: records of defers, or a list, which lie in the heap.
BEHIND_THE_HEAP = ("deferredInLoop", "cleared", "rangeOverFunc")
#: Their stacks are alive as a whole: they have records of defers in the heap, or they panic.
NOT_UNDERSTOOD = ("deferredInLoop", "rangeOverFunc", "panics", "faults")


@dataclass(frozen=True)
class Slots:
    """Words of stacks, which of them are dead, and the objects that the program made."""

    found: Stopped
    dead: Bools
    objects: list[dict[str, Any]]
    object_bytes: int

    def words_of(self, tracked: dict[str, Any]) -> Bools:
        """Which words point to an object, alive or not."""
        address = np.uint64(tracked["address"])
        pointing: Bools = self.found.stacks.words - address < np.uint64(self.object_bytes)
        return pointing

    def is_alive(self, tracked: dict[str, Any]) -> bool:
        """Whether a word that may be alive points to an object."""
        return bool((self.words_of(tracked) & ~self.dead).any())

    def stacks_without_dead(self) -> int:
        """How many stacks are not understood."""
        return sum(not self.dead[self.found.of(index)].any() for index in range(len(self.found.goid)))


def slots_of(program: GoProgram, states: Sequence[int]) -> Slots:
    """Of a program that has collected its garbage, and is stopped meanwhile."""
    answer = program.ask("collect")
    with stopped(program.pid), opened(program.pid) as target:
        found = read(target, states)
        slots = LiveSlots(target.pclntab, parse_version(target.go_version))
        dead = slots.dead(found.stacks, target.runtime.bias)
    return Slots(found, dead, answer["objects"], answer["object_bytes"])


def names(some: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(tracked["name"] for tracked in some)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_collector_and_the_slots_agree_on_every_shape_of_function(
    version: str, build: str, go_program: Start
) -> None:
    slots = slots_of(go_program("slots", version=version, **BUILDS[build]), (WAITING, SYSCALL))
    held = [
        tracked
        for tracked in slots.objects
        if not tracked["collected"] and not tracked["name"].startswith((*BEHIND_THE_HEAP, "spins", "forgottenGroup"))
    ]
    assert len(held) > 60
    assert names([tracked for tracked in held if not slots.is_alive(tracked)]) == []
    collected = [tracked for tracked in slots.objects if tracked["collected"]]
    assert [tracked["name"] for tracked in collected if tracked["used"]] == []
    assert sum(slots.words_of(tracked).any() for tracked in collected) > 20
    assert names([tracked for tracked in collected if slots.is_alive(tracked)]) == []
    assert slots.stacks_without_dead() <= len(NOT_UNDERSTOOD)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_twenty_goroutines_wait_for_is_dead_in_the_loop_that_forgot_it(version: str, go_program: Start) -> None:
    slots = slots_of(go_program("slots", version=version), (WAITING,))
    (group,) = (tracked for tracked in slots.objects if tracked["name"] == "forgottenGroup")
    pointing = slots.found.stacks.words == np.uint64(group["address"])
    holders = [index for index in range(len(slots.found.goid)) if pointing[slots.found.of(index)].any()]
    alive = [index for index in holders if (pointing & ~slots.dead)[slots.found.of(index)].any()]
    # 20 goroutines wait for it, and one more has it in a slot.
    assert (len(holders), len(alive)) == (21, 20)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_loop_that_was_interrupted_keeps_what_it_has_in_registers(version: str, go_program: Start) -> None:
    program = go_program("slots", version=version, env={"GOMAXPROCS": "1"})
    slots = slots_of(program, PARKED)
    spinning = [tracked for tracked in slots.objects if tracked["name"] == "spins"]
    assert len(spinning) == 3
    # All but the one that runs, and that one's slots, if it has any, are not asked for.
    assert sum(slots.is_alive(tracked) for tracked in spinning) >= 2
    addresses = [tracked["address"] for tracked in slots.objects if tracked["name"].startswith("spins")]
    with stopped(program.pid), opened(program.pid) as target:
        runnable = read(target, (RUNNABLE,))
        dead = LiveSlots(target.pclntab, parse_version(target.go_version)).dead(runnable.stacks, target.runtime.bias)
    assert len(runnable.goid) >= 2
    for index in range(len(runnable.goid)):
        words = runnable.stacks.words[runnable.of(index)]
        assert not (np.isin(words, np.array(addresses, np.uint64)) & dead[runnable.of(index)]).any()
