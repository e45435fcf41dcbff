"""What probes cost the program that they watch: time per goroutine life, without probes, under gosonde, under bpftrace.

bpftrace counts the same two functions at their entries, by process and `go` statement. The three take turns, each on a
fresh process of the same program, so that what else the machine does falls on all of them; the medians are compared.
Needs root. Writes the figures to build/probe_cost.json.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import toolchains  # noqa: E402
from tests.go_programs import GoProgram, build  # noqa: E402

GOSONDE = ROOT / ".venv" / "bin" / "gosonde"
OUTPUT = ROOT / "build" / "probe_cost.json"
ATTACH_SECONDS = 30.0
WARM_UP = 20_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--goroutines", type=int, default=300_000)
    parser.add_argument("--go", default=toolchains.DEFAULT, choices=toolchains.VERSIONS)
    options = parser.parse_args()
    install_bpftrace()
    executable = build("churn", options.go)
    script = bpftrace_script(executable)
    ways: dict[str, Callable[[], float]] = {
        "no probes": lambda: without_probes(executable, options.goroutines),
        "gosonde": lambda: under_gosonde(executable, options.goroutines),
        "bpftrace": lambda: under_bpftrace(executable, options.goroutines, script),
    }
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.rounds):
        for name, measure in ways.items():
            measured[name].append(measure())
        print(f"round {number + 1}: " + ", ".join(f"{name} {times[-1]:.0f} ns" for name, times in measured.items()))
    report(measured, options)
    return 0


def install_bpftrace() -> None:
    if shutil.which("bpftrace"):
        return
    for command in (("apt-get", "update", "-qq"), ("apt-get", "install", "-y", "-qq", "bpftrace")):
        subprocess.run(command if os.geteuid() == 0 else ("sudo", *command), check=True)


def bpftrace_script(executable: Path) -> str:
    """Counts goroutines created and ended by (pid, go statement), each at the first instruction of its function."""
    done = subprocess.run((GOSONDE, "inspect", str(executable), "--json"), capture_output=True, text=True, check=True)
    binary = json.loads(done.stdout)
    gopc = binary["layout"]["g_gopc"]
    functions = [probe["function"] for probe in binary["probes"]]
    end = next(name for name in functions if name in ("runtime.goexit0", "runtime.gdestroy"))
    return (
        f'uprobe:{executable}:"runtime.newproc1" {{ @created[pid, reg("cx")] = count(); }}\n'
        f'uprobe:{executable}:"{end}" {{ @exited[pid, *(uint64*)(reg("ax") + {gopc})] = count(); }}\n'
    )


def without_probes(executable: Path, goroutines: int) -> float:
    with GoProgram(executable) as program:
        return per_life(program, goroutines)


def under_gosonde(executable: Path, goroutines: int) -> float:
    with GoProgram(executable) as program:
        command = (str(GOSONDE), "trace", "--pid", str(program.pid), "--duration", "10m", "--json")
        with attached(command) as tracer:
            took = per_life(program, goroutines)
            program.ask("quit")
            out, _ = tracer.communicate()
    site = max(json.loads(out)["sites"], key=lambda site: int(site["created"]))
    check_counts("gosonde", [site["created"], site["exited"]], goroutines)
    return took


def under_bpftrace(executable: Path, goroutines: int, script: str) -> float:
    with GoProgram(executable) as program, attached(("bpftrace", "-f", "json", "-e", script)) as tracer:
        took = per_life(program, goroutines)
        tracer.send_signal(signal.SIGINT)
        out, _ = tracer.communicate()
    maps = [json.loads(line)["data"] for line in out.splitlines() if '"type": "map"' in line]
    check_counts("bpftrace", [max(counts.values()) for found in maps for counts in found.values()], goroutines)
    return took


def per_life(program: GoProgram, goroutines: int) -> float:
    """Nanoseconds that the program took for each goroutine that it created and waited for."""
    program.ask(f"run {WARM_UP}")
    answer = program.ask(f"run {goroutines}")
    assert answer["sum"] == answer["expected"], "the probes changed what the program computes"
    elapsed: int = answer["elapsed_ns"]
    return elapsed / goroutines


def check_counts(who: str, counts: list[int], goroutines: int) -> None:
    """Whoever did not count every creation and every exit was not measured at the same work."""
    expected = goroutines + WARM_UP
    assert counts == [expected, expected], f"{who} counted {counts}, not {expected} twice"


@contextmanager
def attached(command: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
    """Runs a tracer, and begins the block when it holds both of its probes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            deadline = time.monotonic() + ATTACH_SECONDS
            while perf_events(tracer.pid) < 2:
                assert tracer.poll() is None, f"{command[0]} ended with {tracer.returncode}: {tracer.communicate()[1]}"
                assert time.monotonic() < deadline, f"{command[0]} attached nothing in {ATTACH_SECONDS:.0f} s"
                time.sleep(0.05)
            time.sleep(0.5)
            yield tracer
        finally:
            tracer.kill()


def perf_events(pid: int) -> int:
    """How many perf events, and so how many uprobes, a process holds."""
    count = 0
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            count += "perf_event" in str(path.readlink())
        except FileNotFoundError:
            continue  # closed since it was listed
    return count


def report(measured: dict[str, list[float]], options: argparse.Namespace) -> None:
    medians = {name: statistics.median(times) for name, times in measured.items()}
    base, ours, theirs = medians["no probes"], medians["gosonde"], medians["bpftrace"]
    print(f"\nns per goroutine life, Go {options.go}, {options.goroutines:,} goroutines, {os.cpu_count()} CPUs")
    print(f"{'':12}{'median':>9}{'least':>9}{'most':>9}{'/ none':>9}")
    for name, times in measured.items():
        print(f"{name:12}{medians[name]:9.0f}{min(times):9.0f}{max(times):9.0f}{medians[name] / base:9.2f}")
    ratios = {
        "gosonde_to_bpftrace": ours / theirs,
        "added_by_gosonde_to_added_by_bpftrace": (ours - base) / (theirs - base),
    }
    print(f"\ngosonde / bpftrace: {ratios['gosonde_to_bpftrace']:.2f} of the time per life, ", end="")
    print(f"{ratios['added_by_gosonde_to_added_by_bpftrace']:.2f} of what the probes add")
    document: dict[str, Any] = {"go": options.go, "goroutines": options.goroutines, "cpus": os.cpu_count()}
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(document | {"ns_per_life": measured, "medians": medians, "ratios": ratios}, indent=2))
    print(f"written to {OUTPUT.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
