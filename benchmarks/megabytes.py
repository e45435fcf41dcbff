"""How much memory agent and helper have, beside few programs and many, and where it is."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.agents import launched
from benchmarks.results import Row
from tests import labelled_programs
from tests.go_programs import GoProgram, build

DIFFERENT = 70
#: How long the programs run before the agent is looked at: of different ones, most leaks have been searched by then.
SETTLE_SECONDS, SETTLE_DIFFERENT = 15.0, 60.0
HEAP, PROBES, FILES = "heap", "maps shared with the probes", "interpreter and libraries"
#: What the agent imports, in an order in which each brings only what it needs itself; without OpenSSL, as it does.
IMPORTS = {
    "asyncio": "asyncio",
    "numpy": "numpy",
    "capstone": "capstone",
    "pyelftools": "elftools.elf.elffile",
    "gRPC and protobuf": "grpc, grpc_health.v1.health, grpc_reflection.v1alpha.reflection",
    "structlog, sqlite3": "structlog, sqlite3",
    "gosonde's own": "gosonde_agent.service, gosonde_common.logs",
}


def megabytes() -> Iterator[Row]:
    """Beside one program, a hundred processes of it, and different programs; then by what is imported."""
    sites = build("sites")
    labelled = [build(one.name) for one in (*labelled_programs.leaky(), *labelled_programs.healthy())][:DIFFERENT]
    yield from _beside("one program", [sites], SETTLE_SECONDS)
    yield from _beside("100 processes of it", [sites] * 100, SETTLE_SECONDS)
    yield from _beside(f"{len(labelled)} different programs", labelled, SETTLE_DIFFERENT)
    for name, size in _imported().items():
        yield Row("imports", name, "MB", (size,))


def _beside(case: str, programs: Sequence[Path], settle_seconds: float) -> Iterator[Row]:
    with ExitStack() as stack:
        for program in programs:
            stack.enter_context(GoProgram(program, *(("1000", "100") if program.name == "sites" else ())))
        globs = ", ".join(f'"{program}"' for program in {*programs})
        running = stack.enter_context(launched(exe=f"[{globs}]"))
        running.wait_until_started()
        time.sleep(settle_seconds)
        (helper,) = running.process.children()
        parts = _parts(running.process)
        total = sum(parts.values())
        yield Row("megabytes", case, "MB, agent", (total,))
        for part, megabytes_of_it in parts.items():
            yield Row("megabytes", case, f"MB, agent: {part}", (megabytes_of_it,))
        both = total + sum(_parts(helper).values())
        yield Row("megabytes", case, "MB, agent and helper", (both,))
        yield Row("megabytes", case, "MB, the agent at its peak", (_peak(running.process.pid),))


def _parts(process: psutil.Process) -> Mapping[str, float]:
    """MB resident, by what it is."""
    parts = dict.fromkeys((HEAP, PROBES, FILES), 0.0)
    for mapping in process.memory_maps():
        of_file = FILES if mapping.path.startswith("/") else HEAP
        parts[PROBES if mapping.path.startswith("anon_inode:bpf") else of_file] += mapping.rss / 1e6
    return parts


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:"))


def _imported() -> dict[str, float]:
    """MB that become resident in a new interpreter with each of IMPORTS."""
    steps = "".join(f"note({name!r})\nimport {modules}\n" for name, modules in IMPORTS.items())
    code = f"""
import json, psutil, sys
sys.modules["ssl"] = None
sizes, names, before = {{}}, [], psutil.Process().memory_info().rss
def note(name):
    global before
    now = psutil.Process().memory_info().rss
    if names:
        sizes[names[-1]] = (now - before) / 1e6
    names.append(name)
    before = now
{steps}note("")
print(json.dumps(sizes))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
