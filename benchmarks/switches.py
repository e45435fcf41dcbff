"""Ways to have probes in a program and not, in turn, while it runs on."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from gosonde_agent.golang import binary as golang
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.known import KnownBinaries
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_common.values.levels import PROBES, Level

from benchmarks import agents, probing, quiet
from benchmarks.servers import CLIENT_CPU


class Switch(Protocol):
    """Something that a program can be measured with and without. It begins without."""

    #: After it was switched on, until it does what it does then for good; as long after it was switched off, because a
    #: server is faster the longer nothing has disturbed it.
    settle_seconds: float
    #: Of what it does again and again: a shorter slice would see it at its best or at its worst.
    period_seconds: float

    def on(self) -> None:
        """From now on with it."""

    def off(self) -> None:
        """From now on without; returns when nothing of it is left."""


class Nothing:
    """What shows how far two equal things differ."""

    settle_seconds = 0.1
    period_seconds = 0.0

    def on(self) -> None:
        """Nothing."""

    def off(self) -> None:
        """Nothing."""


class Probes:
    """gosonde's probes at one level, and no agent."""

    settle_seconds = 0.1
    period_seconds = 0.0

    def __init__(self, source: EbpfSource, pid: int, binary: GoBinary, level: Level) -> None:
        self._source = source
        self._pid = pid
        self._binary = binary
        self._probes = PROBES[level]
        self._costs = source.hit_costs()

    def on(self) -> None:
        """Puts them in."""
        self._source.set_probes(self._pid, self._probes)

    def off(self) -> None:
        """Takes them out."""
        self._source.set_probes(self._pid, PROBES[Level.OFF])
        while self._source.is_closing(self._pid):
            time.sleep(0.01)

    def cost_ns(self) -> float:
        """What the goroutines that were counted have cost, by what a hit costs in a loop."""
        hits = [hits for image, hits in self._source.hits().items() if image.tgid == self._pid]
        created, exited = (self._costs.of(self._binary, probe) for probe in ("created", "exited"))
        return sum(one.created * created + one.exited * exited for one in hits)


@contextmanager
def probes(pid: int, level: Level) -> Iterator[Probes]:
    """Probes for one process."""
    path = Path(f"/proc/{pid}/exe").readlink()
    with path.open("rb") as file:
        source = probing.source()
        binary = golang.load(file.fileno(), str(path), KnownBinaries())
        source.attach(pid, binary, file.fileno(), pid)
        try:
            switch = Probes(source, pid, binary, level)
            switch.off()
            yield switch
        finally:
            source.detach(pid)


class Agent:
    """An agent that decides by its default budget; it is stopped, with all probes detached, while it is off."""

    settle_seconds = 1.0
    period_seconds = 1.0

    def __init__(self, running: agents.Agent, pid: int) -> None:
        self._running = running
        self._pid = pid

    def on(self) -> None:
        """Lets it go on, from level full."""
        self._running.process.send_signal(signal.SIGCONT)
        self._switch(on=True)

    def off(self) -> None:
        """Has it detach its probes, and stops it."""
        self._switch(on=False)
        self._running.process.send_signal(signal.SIGSTOP)

    def _switch(self, *, on: bool) -> None:
        from gosonde.agent_client import AgentClient  # noqa: PLC0415 - see agents.Agent.observation

        with AgentClient(self._running.socket) as client:
            client.switch_probes(self._pid, on=on)


@contextmanager
def agent(pid: int, *, beside_client: bool) -> Iterator[Agent]:
    """An agent for one process, on the CPU of the load or on any."""
    cpus = {CLIENT_CPU} if beside_client else os.sched_getaffinity(0)
    with quiet.on_cpus(cpus), agents.agent(f"--pid={pid}") as running:
        running.wait_for(pid)
        switch = Agent(running, pid)
        switch.off()
        try:
            yield switch
        finally:
            running.process.send_signal(signal.SIGCONT)
