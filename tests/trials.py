"""Runs labelled programs beside a real agent and a real collector, and notes what is found, when and why."""

import io
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gosonde.collector_client import CollectorClient, Finding
from gosonde_agent.sources.memory.target import opened
from gosonde_common.errors import GosondeError
from gosonde_common.wire.profile import encode_profile

from tests.busy_host import busy_host
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build
from tests.labelled_programs import Labelled

GOSONDE = Path(sys.executable).with_name("gosonde")
#: How often findings are read, in seconds.
LOOK_S = 1.0
#: How long a program goes on after its profile was pushed, so that the finding can say the cause.
EXPLAIN_S = 20.0
#: How long it is still waited for what is late.
LATE_S = 20.0
#: How long an agent may take to start: on a busy host it waits for a CPU most of the time.
PATIENCE_S = 420.0


@dataclass
class Trial:
    """One program's run.

    Attributes:
        started: time.time() when it was ready.
        found_s: Seconds from its start until the collector found its leak; None when it did not.
        cause: What the finding said last.
        others: Findings at other `go` statements, each "function:line".
    """

    label: Labelled
    program: GoProgram
    started: float
    found_s: float | None = None
    cause: str = ""
    confidence: float = 0.0
    others: set[str] = field(default_factory=set)
    pulled_s: float | None = None

    def note(self, finding: Finding, client: CollectorClient) -> None:
        """Takes a finding of this program in."""
        site = finding.site
        if not self.label.leaks or not self.label.is_site(site.function, site.file, site.line):
            if site.function != self.label.also:
                self.others.add(f"{site.function}:{site.line}")
            return
        if self.found_s is None:
            self.found_s = client.explain(finding.id).opened_unix_nano / 1e9 - self.started
        self.cause, self.confidence = finding.cause, finding.confidence

    def ends_s(self, healthy_s: float) -> float:
        """When the program has run for long enough."""
        if not self.label.leaks:
            return healthy_s
        if self.found_s is None:
            return self.label.limit_s + LATE_S
        return (self.found_s if self.pulled_s is None else self.pulled_s) + EXPLAIN_S

    @property
    def explained(self) -> bool:
        """Whether there is nothing more to be found."""
        return self.pulled_s is not None and self.cause not in {"", "unknown"}

    @property
    def in_time(self) -> bool:
        """Whether the leak was found soon enough."""
        return self.found_s is not None and self.found_s <= self.label.limit_s

    @property
    def right_cause(self) -> bool:
        """Whether the finding names the cause."""
        return self.cause == self.label.cause


def run(labels: Sequence[Labelled], seconds: float, *, pull: bool = True, busy: bool = False) -> list[Trial]:
    """Runs all programs at the same time, healthy ones `seconds` long, leaking ones until they must be found.

    Args:
        pull: Whether to push a profile and a memory snapshot of each whose leak was found.
        busy: Whether to run two busy loops a core beside them.
    """
    executables = {label.name: build(label.name) for label in labels}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gosonde-trials.")))
        if busy:
            stack.enter_context(busy_host())
        collector = stack.enter_context(CollectorProcess(folder))
        client = stack.enter_context(CollectorClient(collector.address))
        stack.enter_context(_agent(folder, collector.address, executables.values()))
        trials = [_start(stack, label, executables[label.name]) for label in labels]
        _watch(client, trials, seconds, pull=pull)
    return trials


def _start(stack: ExitStack, label: Labelled, executable: Path) -> Trial:
    program = stack.enter_context(GoProgram(executable))
    return Trial(label, program, time.time())


def _watch(client: CollectorClient, trials: list[Trial], seconds: float, *, pull: bool) -> None:
    running = {trial.program.pid: trial for trial in trials}
    while running:
        time.sleep(LOOK_S)
        looked = time.time()
        for finding in client.findings():
            if trial := running.get(finding.process.pid):
                trial.note(finding, client)
        for pid, trial in list(running.items()):
            if pull and trial.found_s is not None and trial.pulled_s is None:
                _pull(client, trial)
                trial.pulled_s = time.time() - trial.started
            elif looked - trial.started > trial.ends_s(seconds) or trial.explained:
                trial.program.kill()
                del running[pid]


def _pull(client: CollectorClient, trial: Trial) -> None:
    """Hands the collector what it takes from the program: its own profile, and its goroutines read from memory."""
    (row,) = client.processes(pid=trial.program.pid)
    url = f"http://127.0.0.1:{trial.program.ready['port']}/debug/pprof/goroutine?debug=2"
    with opened(row.pid) as target:
        profile = encode_profile(target.goroutines(), time.time_ns())
    client.push_snapshot(io.BytesIO(profile), row.host, row.pid)
    with urllib.request.urlopen(url) as response:
        client.push_snapshot(io.BytesIO(response.read()), row.host, row.pid, time.time_ns())


@contextmanager
def _agent(folder: Path, collector: str, executables: Iterable[Path]) -> Iterator[None]:
    """Runs an agent that watches the executables, until the block ends."""
    flags = [f"--collector={collector}", f"--listen=unix:{folder}/agent.sock", f"--state={folder}/agent"]
    flags += [f"--exe={executable}" for executable in executables]
    with (folder / "agent.log").open("wb") as log:
        process = subprocess.Popen([GOSONDE, "agent", *flags], stderr=log)
        try:
            _await_agent(folder / "agent.log", process)
            yield
            if process.poll() is not None:
                raise GosondeError(f"the agent ended: {(folder / 'agent.log').read_text()[-2000:]}")
        finally:
            process.terminate()
            process.wait()


def _await_agent(log: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_S
    while "agent started" not in log.read_text():
        if process.poll() is not None or time.monotonic() > end:
            raise GosondeError(f"the agent did not start: {log.read_text()[-2000:]}")
        time.sleep(0.1)
