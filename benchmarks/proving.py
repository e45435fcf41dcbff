"""From the start of a leak of ten goroutines a second to a finding with proof, alone and beside 70 other programs."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from gosonde.collector_client import CollectorClient
from gosonde_common.errors import UnavailableError

from benchmarks.results import Row
from tests import labelled_programs
from tests.agent_process import AgentProcess, delivers_its_own, eventually
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build

LEAK, EVERY = "leaky/channel_send", "100ms"
OTHERS = (0, 70)
#: How long the others run before the first leak begins: most of their own leaks have been looked at by then.
SETTLE_SECONDS = 60.0
#: A proof that takes longer counts as so long.
LONGEST_SECONDS = 120.0


def proving(rounds: int) -> Iterator[Row]:
    """Both cases, each with a new agent and collector."""
    for others in OTHERS:
        yield Row("proving", "from leak to proof", "s", tuple(_seconds(others, rounds)), others, "other programs")


def _seconds(others: int, rounds: int) -> Sequence[float]:
    leak = build(LEAK)
    programs = [build(one.name) for one in (*labelled_programs.leaky(), *labelled_programs.healthy())]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        (Path(folder) / "agent.toml").write_text("")
        collector = stack.enter_context(CollectorProcess(Path(folder)))
        agent = AgentProcess(Path(folder), collector.address, f"{leak.parents[1]}/*")
        stack.callback(agent.kill)
        for program in [one for one in programs if one != leak][:others]:
            stack.enter_context(GoProgram(program))
        eventually(lambda: delivers_its_own(agent.listen))
        time.sleep(SETTLE_SECONDS if others else 0.0)
        client = stack.enter_context(CollectorClient(collector.address))
        return [_one(leak, client) for _ in range(rounds)]


def _one(leak: Path, client: CollectorClient) -> float:
    began = time.monotonic()
    with subprocess.Popen([leak, EVERY], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            while time.monotonic() - began < LONGEST_SECONDS and not _is_proved(process.pid, client):
                time.sleep(0.1)
            return time.monotonic() - began
        finally:
            process.kill()


def _is_proved(pid: int, client: CollectorClient) -> bool:
    with suppress(UnavailableError):  # on a busy machine it answers later
        return any(found.witnesses["proof"] == "agrees" for found in client.findings(pid=pid))
    return False
