"""What the agent takes: CPU and memory by targets and sites, memory reading by goroutines, and from exec to probes."""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from gosonde.errors import GosondeError
from gosonde_agent.levels import Level
from gosonde_agent.model import Observation
from gosonde_agent.sources.memory.target import KnownBinaries, opened

from benchmarks.results import ROOT, Row
from tests.go_programs import GoProgram, build

GOSONDE = ROOT / ".venv" / "bin" / "gosonde"
LARGE = ROOT / ".venv" / "bin" / "buf"
TARGETS = (1, 10, 100)
GOROUTINES = (1_000, 10_000, 100_000, 1_000_000)
#: In which baselines are found; what the agent takes is measured after it.
SETTLE_SECONDS = 20.0


@dataclass
class Agent:
    """A running agent."""

    process: psutil.Process
    socket: str

    def observation(self, pid: int | None = None) -> Observation | None:
        """What it knows of a process, or of all; None when it does not answer yet."""
        # Not before memory is measured: pages of a library that two processes use cannot be given back.
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

    @staticmethod
    def now() -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()

    def seconds_over_budget(self, pid: int, began: int) -> float:
        """From a moment to the last step down, as the agent says."""
        seen = self.observation(pid)
        assert seen is not None
        steps = [step.at_unix_nano for step in seen.processes[0].steps if step.level is not Level.FULL]
        assert steps, "the agent made no step"
        return (max(steps) - began) / 1e9

    def created_missed(self, pid: int, created: int) -> float:
        """By how many the created goroutines of a process come out too low, once its memory was read again."""
        end, missed = time.monotonic() + 20, float("inf")
        while missed and time.monotonic() < end:
            time.sleep(0.5)
            if seen := self.observation(pid):
                rows = [row for row in seen.site_counts if row.site.function in ("main.spawn", "")]
                missed = float(created - sum(row.created for row in rows))
        return missed


@contextmanager
def agent(*flags: str, **config: str) -> Iterator[Agent]:
    """An agent as a user would start it, once it has said that it has started; `config` by key, as TOML."""
    with tempfile.TemporaryDirectory(prefix="gosonde-bench.") as folder:
        socket = f"unix:{folder}/agent.sock"
        path = Path(folder, "agent.toml")
        path.write_text("".join(f"{key} = {value}\n" for key, value in config.items()))
        command = [str(GOSONDE), "agent", "--config", str(path), "--listen", socket, "--state", folder, *flags]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert process.stderr is not None
        try:
            next(line for line in process.stderr if b"agent started" in line)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield Agent(psutil.Process(process.pid), socket)
        finally:
            process.terminate()
            process.wait()


def footprint(seconds: float) -> Iterator[Row]:
    """CPU and memory of the agent by targets, each with a hundred sites that are executed once a second, or never."""
    executable = build("sites")
    for case, period in (("idle", "0"), ("100 goroutines a second each", "1000")):
        for targets in TARGETS:
            with ExitStack() as stack:
                programs = [stack.enter_context(GoProgram(executable, period)) for _ in range(targets)]
                running = stack.enter_context(agent(f"--exe={executable}"))
                for program in programs:
                    program.ask("round 1")
                time.sleep(SETTLE_SECONDS)
                values = list(_measured(running.process, seconds))
            for unit, value in values:
                yield Row("footprint", case, unit, (value,), targets, "targets")


def _measured(process: psutil.Process, seconds: float) -> Iterator[tuple[str, float]]:
    before, switches = process.cpu_times(), process.num_ctx_switches().voluntary
    time.sleep(seconds)
    after = process.cpu_times()
    yield "% of one core", 100 * (after.user + after.system - before.user - before.system) / seconds
    yield "wake-ups/s", (process.num_ctx_switches().voluntary - switches) / seconds
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    memory = {line.split(":")[0]: int(line.split()[1]) / 1000 for line in lines if line.startswith("Vm")}
    yield "MB resident", memory["VmRSS"]
    yield "MB at the peak", memory["VmHWM"]


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
