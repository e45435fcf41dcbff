"""What the agent takes for reading memory, by goroutines, and from exec to probes."""

import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
from gosonde_agent.sources.memory.target import KnownBinaries, opened
from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import Observation

from benchmarks.results import ROOT, Row
from tests.go_programs import GoProgram, build

GOSONDE = ROOT / ".venv" / "bin" / "gosonde"
LARGE = ROOT / ".venv" / "bin" / "buf"
GOROUTINES = (1_000, 10_000, 100_000, 1_000_000)


@dataclass
class Agent:
    """A running agent."""

    process: psutil.Process
    socket: str
    log: IO[bytes]
    config: Path

    def wait_until_started(self) -> None:
        """Until it says so."""
        next(line for line in self.log if b"agent started" in line)
        threading.Thread(target=self.log.read, daemon=True).start()

    def observation(self, pid: int | None = None) -> Observation | None:
        """What it knows of a process, or of all; None when it does not answer yet."""
        # Not before memory is measured: pages of a library that two processes use cannot be released.
        from gosonde.agent_client import AgentClient  # noqa: PLC0415

        try:
            with AgentClient(self.socket, timeout_seconds=5) as client:
                return client.observation(pid)
        except GosondeError:
            return None

    def wait_for(self, pid: int) -> Observation:
        """What it knows of a process, once it watches it."""
        end = time.monotonic() + 30
        while (seen := self.observation(pid)) is None:
            assert time.monotonic() < end, "the agent never saw the program"
            time.sleep(0.1)
        time.sleep(2)  # the first reading of its memory
        return seen

    def reconfigure(self, **config: str) -> None:
        """Asks it to take over another configuration; returns before it has."""
        self.config.write_text(_toml(config))
        self.process.send_signal(signal.SIGHUP)

    def reload(self, **config: str) -> None:
        """Has it take over another configuration."""
        self.reconfigure(**config)
        time.sleep(2)  # no hit from before counts then

    @staticmethod
    def now() -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()

    def seconds_to_steps(self, pid: int, began: int) -> tuple[float, float]:
        """From a moment to the first step down and to the last, as the agent says."""
        seen = self.observation(pid)
        assert seen is not None
        steps = [step.at_unix_nano for step in seen.processes[0].steps if step.level is not Level.FULL]
        assert steps, "the agent made no step"
        return (min(steps) - began) / 1e9, (max(steps) - began) / 1e9

    def created_missed(self, pid: int, created: int) -> float:
        """By how many the created goroutines of a process come out too low, once its memory was read again."""
        end, missed = time.monotonic() + 20, float("inf")
        while missed and time.monotonic() < end:
            time.sleep(0.5)
            if seen := self.observation(pid):
                rows = [row for row in seen.site_counts if row.site.function in ("main.spawn", "")]
                missed = float(created - sum(row.created for row in rows))
        return missed


def _toml(config: Mapping[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in config.items())


@contextmanager
def launched(*flags: str, **config: str) -> Iterator[Agent]:
    """An agent as a user would start it, from its exec on; `config` by key, as TOML."""
    with tempfile.TemporaryDirectory(prefix="gosonde-bench.") as folder:
        socket = f"unix:{folder}/agent.sock"
        path = Path(folder, "agent.toml")
        path.write_text(_toml(config))
        command = [str(GOSONDE), "agent", "--config", str(path), "--listen", socket, "--state", folder, *flags]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert process.stderr is not None
        try:
            yield Agent(psutil.Process(process.pid), socket, process.stderr, path)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def agent(*flags: str, **config: str) -> Iterator[Agent]:
    """An agent that has said that it has started; see `launched`."""
    with launched(*flags, **config) as running:
        running.wait_until_started()
        yield running


def readings(rounds: int) -> Iterator[Row]:
    """CPU time of reading the memory of a process, by its goroutines."""
    for goroutines in GOROUTINES:
        with GoProgram(build("parked"), str(goroutines)) as program, opened(program.pid, KnownBinaries()) as target:
            for case, stacks in (("headers", False), ("with stacks", True)):
                if stacks and goroutines > GOROUTINES[-2]:
                    continue
                times = []
                for _ in range(rounds):
                    began = time.process_time()
                    for _block in target.blocks(stacks=stacks):
                        pass
                    times.append(1e3 * (time.process_time() - began))
                yield Row("reading", case, "ms", tuple(times), goroutines, "goroutines")


def attach(rounds: int) -> Iterator[Row]:
    """From the exec of a program that the agent has never seen to its probes, by the size of the program."""
    for program in (build("bench"), LARGE):
        times = [_exec_to_probes(program) for _ in range(rounds)]
        yield Row("attach", f"{program.name}, {program.stat().st_size / 1e6:.0f} MB", "ms", tuple(times))


def _exec_to_probes(original: Path) -> float:
    with tempfile.TemporaryDirectory(prefix="gosonde-bench.") as folder:
        program = Path(shutil.copy2(original, Path(folder) / "program"))
        with agent(f"--exe={program}") as running:
            command = [str(program), "lsp", "serve"]
            target = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            try:
                end = time.monotonic() + 30
                while time.monotonic() < end:
                    seen = running.observation()
                    for process in seen.processes if seen else ():
                        if process.key.pid == target.pid:
                            return (process.counted_since_unix_nano - process.started_unix_nano) / 1e6
                    time.sleep(0.1)
                raise SystemExit("the agent never saw the program")
            finally:
                target.kill()
                target.wait()
