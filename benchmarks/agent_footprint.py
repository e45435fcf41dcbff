"""What the agent itself takes: CPU and memory with idle targets, and the time from a process's exec to its probes.

The agent runs as a user would start it. The targets are idle Go programs; for the time from exec to probes they are a
server of nearly 50 MB that the agent has never seen (each round starts a new agent). Needs root. Writes the figures to
build/agent_footprint.json.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.go_programs import GoProgram, build  # noqa: E402

GOSONDE = ROOT / ".venv" / "bin" / "gosonde"
LARGE = ROOT / ".venv" / "bin" / "buf"
OUTPUT = ROOT / "build" / "agent_footprint.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    result = idle(options.targets, options.seconds)
    delays = [exec_to_probes() for _ in range(options.rounds)]
    result["exec_to_probes_ms"] = statistics.median(delays)
    result["large_binary_mb"] = LARGE.stat().st_size / 1e6
    print(
        f"{options.targets} idle targets: {result['cpu_percent']:.2f} % of one core over {options.seconds:.0f} s, "
        f"{result['rss_mb']:.1f} MB resident (peak {result['peak_rss_mb']:.1f} MB)"
    )
    print(
        f"from exec to probes, unknown file of {result['large_binary_mb']:.0f} MB: "
        f"median {result['exec_to_probes_ms']:.0f} ms of {', '.join(f'{delay:.0f}' for delay in delays)}"
    )
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=2) + "\n")
    return 0


@contextmanager
def agent(*flags: str) -> Iterator[tuple[psutil.Process, str]]:
    """A running agent, once it has said that it has started, and its socket."""
    with tempfile.TemporaryDirectory(prefix="gosonde-bench.") as folder:
        socket = f"unix:{folder}/agent.sock"
        command = [str(GOSONDE), "agent", "--listen", socket, "--state", folder, *flags]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert process.stderr is not None
        try:
            next(line for line in process.stderr if b"agent started" in line)
            yield psutil.Process(process.pid), socket
        finally:
            process.terminate()
            process.communicate()


def idle(targets: int, seconds: float) -> dict[str, float]:
    """CPU in percent of one core, and resident memory in MB, of an agent whose targets do nothing."""
    executable = build("churn")
    with ExitStack() as stack:
        for _ in range(targets):
            stack.enter_context(GoProgram(executable))
        process, _socket = stack.enter_context(agent(f"--exe={executable}"))
        time.sleep(2)
        before = process.cpu_times()
        time.sleep(seconds)
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        memory = {line.split(":")[0]: int(line.split()[1]) / 1000 for line in status if line.startswith("Vm")}
        return {"cpu_percent": 100 * used / seconds, "rss_mb": memory["VmRSS"], "peak_rss_mb": memory["VmHWM"]}


def exec_to_probes() -> float:
    """Milliseconds from the exec of a large program that the agent has never seen to when it is counted."""
    # Not before the memory is measured: pages of a library that two processes use cannot be given back.
    from gosonde.agent_client import AgentClient  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="gosonde-bench.") as folder:
        program = Path(shutil.copy2(LARGE, Path(folder) / "program"))
        with agent(f"--exe={program}") as (_process, socket):
            client = AgentClient(socket)
            target = subprocess.Popen([str(program), "lsp", "serve"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            try:
                end = time.monotonic() + 30
                while time.monotonic() < end:
                    for seen in client.observation(None).processes:
                        if seen.key.pid == target.pid:
                            return (seen.counted_since_unix_nano - seen.started_unix_nano) / 1e6
                    time.sleep(0.1)
                raise SystemExit("the agent never saw the program")
            finally:
                target.kill()
                target.wait()


if __name__ == "__main__":
    sys.exit(main())
