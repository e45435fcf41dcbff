"""A program of an ordinary user writes over its own code, or over what its runtime says of itself.

It may have its own numbers wrong, never precise and wrong; others' numbers stay right.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.golang import binary
from gosonde_agent.host import procfs
from gosonde_agent.sources.memory.target import Target, opened
from gosonde_common.errors import GosondeError
from gosonde_common.values.observation import Observation

from tests import go_programs, program_text
from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram
from tests.intruder import USER, ground

pytestmark = pytest.mark.usefixtures("ebpf")

#: How many goroutines the liar creates each time.
MANY = 500


@dataclass
class Scene:
    """An agent, a liar that it counts, and another program that it counts too."""

    agent: AgentProcess
    liar: GoProgram
    other: GoProgram
    liar_works: bool = True
    liar_created: int = 0
    other_created: int = 0

    def seen(self, program: GoProgram) -> Observation:
        with AgentClient(self.agent.listen, timeout_seconds=30) as client:
            return client.observation(program.pid)

    def work(self) -> None:
        """Both create goroutines."""
        self.other.ask("run 300")
        self.other_created += 300
        if self.liar_works:
            self.liar.ask(f"run {MANY}")
            self.liar_created += MANY

    def counts(self, program: GoProgram) -> int:
        """What the agent says that the program's one busy statement created; -1 when it knows nothing of it."""
        try:
            return self.agent.shown(program.pid, "main.spawn")[0]
        except GosondeError:
            return -1

    def others_are_right(self) -> bool:
        time.sleep(0.2)  # the agent answers 50 questions a second
        seen = self.seen(self.other).processes[0]
        return self.counts(self.other) == self.other_created and seen.precise and not seen.refusal

    def liar_is_marked(self) -> bool:
        """Whether the agent says that it does not watch it, or that its numbers are not precise."""
        time.sleep(0.2)
        seen = self.seen(self.liar).processes[0]
        return bool(seen.refusal) or not seen.precise

    def liar_was_read(self) -> bool:
        """Whether the agent has read its memory: it shows goroutines that are older than the probes."""
        time.sleep(0.2)
        return any(row.baseline for row in self.seen(self.liar).site_counts)

    def write(self, address: int, data: bytes) -> None:
        assert self.liar.ask(f"write {address} {data.hex()}")["written"] == len(data)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "agent.toml").write_text('interval_seconds = 0.2\nmax_target_overhead = "off"\nreconcile_seconds = 1\n')
    with (
        ground(go_programs.build("rewriting")) as found,
        GoProgram(found.program, user=USER) as liar,
        GoProgram(Path(shutil.copy(go_programs.build("churn"), found.program.parent))) as other,
    ):
        agent = AgentProcess(tmp_path, "", f"{found.program.parent}/*")
        scene = Scene(agent, liar, other)
        try:
            eventually(lambda: all(scene.counts(program) >= 0 for program in (liar, other)))
            scene.work()
            eventually(lambda: scene.counts(liar) == scene.liar_created and scene.others_are_right())
            eventually(scene.liar_was_read)
            assert not scene.liar_is_marked()
            yield scene
            assert agent.process.poll() is None
        finally:
            agent.kill()


def test_who_writes_over_its_probes_is_not_called_precise(scene: Scene) -> None:
    with procfs.executable(scene.liar.pid) as (fd, path):
        probed = binary.load(fd, path)
        at = probed.file_offsets["created"]
        scene.write(probed.points["created"].vaddr, os.pread(fd, 1, at))
    assert probed.points["created"].vaddr not in program_text.changed(scene.liar.pid)
    scene.work()
    eventually(scene.liar_is_marked)
    eventually(scene.others_are_right)
    assert scene.counts(scene.liar) < scene.liar_created


Lie = Callable[[Target], tuple[int, bytes]]


def variable(struct: str, field: str, value: int) -> Lie:
    """A lie in a field of the runtime's one instance of a struct."""

    def lie(target: Target) -> tuple[int, bytes]:
        addresses, layout = target.runtime.addresses, target.runtime.layout
        base = {"schedt": addresses.sched, "mstats": addresses.memstats}[struct]
        return target.runtime.bias + base + layout.offset(struct, field), value.to_bytes(8, "little")

    return lie


def goroutines(pointer: int, length: int) -> Lie:
    """A list of all goroutines that lies elsewhere."""
    return lambda target: (
        target.runtime.bias + target.runtime.addresses.allgs,
        b"".join(number.to_bytes(8, "little") for number in (pointer, length, length)),
    )


def length(value: int) -> Lie:
    """A number of goroutines that is not theirs."""
    return lambda target: (target.runtime.bias + target.runtime.addresses.allglen, value.to_bytes(8, "little"))


LIES = {
    "goroutines that are nowhere": goroutines(0xDEAD0000, 4096),
    "goroutines in the kernel": goroutines(0xFFFFFFFF80000000, 4096),
    "no goroutines": length(0),
    "a trillion goroutines": length(1 << 40),
    "no goroutine ever made": variable("schedt", "goidgen", 0),
    "a million goroutines more made": variable("schedt", "goidgen", 1_000_000),
    "more goroutines made than can be": variable("schedt", "goidgen", 1 << 63),
    "no collector": variable("mstats", "enablegc", 0),
}


#: With these in its place the liar itself cannot go on.
DEADLY = {"goroutines that are nowhere", "goroutines in the kernel"}


#: One of each kind; `make test-attacks` tells all of them.
ALWAYS_TOLD = {"goroutines that are nowhere", "no goroutine ever made", "no collector"}


@pytest.mark.parametrize(
    "name", [name if name in ALWAYS_TOLD else pytest.param(name, marks=pytest.mark.minutes) for name in LIES]
)
def test_who_lies_about_its_runtime_is_marked_or_right(scene: Scene, name: str) -> None:
    with opened(scene.liar.pid) as target:
        address, data = LIES[name](target)
    scene.write(address, data)
    scene.liar_works = name not in DEADLY
    for _ in range(3):
        scene.work()
        time.sleep(1.5)  # its memory is read again meanwhile
        eventually(scene.others_are_right)
        eventually(lambda: scene.liar_is_marked() or scene.counts(scene.liar) == scene.liar_created)
