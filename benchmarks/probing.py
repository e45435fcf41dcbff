"""Ways to have a program probed: by gosonde's probes, by empty programs, at the functions' entries, by bpftrace."""

import json
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from gosonde_agent.golang import binary as golang
from gosonde_agent.golang.known import KnownBinaries
from gosonde_agent.host import bpf
from gosonde_agent.host.kernel import closes_probes_together
from gosonde_agent.sources.ebpf.loading import Probes, load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.ebpf.uprobe import Place, close_all, placed
from gosonde_common.values.levels import PROBES, Level

from benchmarks.results import ROOT

GOSONDE = ROOT / ".venv" / "bin" / "gosonde"
ATTACH_SECONDS = 30.0
#: r0 = 0; exit
NOTHING = struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)


@cache
def source() -> EbpfSource:
    """The probes, compiled once."""
    return EbpfSource(load_probes())


@contextmanager
def gosonde(
    pid: int, *, at_entry: bool = False, parks: bool = False, level: Level = Level.FULL
) -> Iterator[EbpfSource]:
    """gosonde's own programs in one process."""
    path = Path(f"/proc/{pid}/exe").readlink()
    fd = os.open(path, os.O_RDONLY)
    try:
        found = golang.load(fd, str(path), KnownBinaries())
        if at_entry:
            moved = {name: offset - found.points[name].offset for name, offset in found.file_offsets.items()}
            found = replace(found, file_offsets=moved)
        probes = source()
        number = pid
        probes.attach(number, found, fd, pid)
        probes.set_probes(number, PROBES[level] | ({"parked"} if parks else set()))
        while probes.is_closing(number):
            time.sleep(0.01)
        try:
            yield probes
        finally:
            probes.detach(number)
    finally:
        os.close(fd)


@contextmanager
def empty(pid: int) -> Iterator[None]:
    """Programs that do nothing, in one process, where gosonde counts goroutines: what is left is the trap."""
    path = Path(f"/proc/{pid}/exe").readlink()
    together = closes_probes_together()
    with path.open("rb") as file, ExitStack() as stack:
        found = golang.load(file.fileno(), str(path), KnownBinaries())
        attach_type = bpf.BPF_TRACE_UPROBE_MULTI if together else 0
        program = bpf.load_program("empty", bpf.BPF_PROG_TYPE_KPROBE, NOTHING, attach_type)
        stack.callback(os.close, program)
        for probe in ("exited", "created"):
            place = Place(file.fileno(), found.file_offsets[probe], pid)
            stack.callback(close_all, placed(Probes({"empty": program}, together), "empty", place, 0))
        yield


def bpftrace_counts(executable: Path) -> str:
    """A script that counts goroutines created and ended by (pid, go statement), at the functions' entries."""
    done = subprocess.run((GOSONDE, "inspect", str(executable), "--json"), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    gopc = found["layout"]["g_gopc"]
    end = next(p["function"] for p in found["probes"] if p["function"] in ("runtime.goexit0", "runtime.gdestroy"))
    return (
        f'uprobe:{executable}:"runtime.newproc1" {{ @created[pid, reg("cx")] = count(); }}\n'
        f'uprobe:{executable}:"{end}" {{ @exited[pid, *(uint64*)(reg("ax") + {gopc})] = count(); }}\n'
    )


def bpftrace_parks(executable: Path) -> str:
    """A script that counts parks by (pid, wait reason), at the function's entry."""
    return f'uprobe:{executable}:"runtime.gopark" {{ @parked[pid, reg("cx") & 255] = count(); }}\n'


@contextmanager
def bpftrace(script: str, probes: int) -> Iterator[None]:
    """bpftrace with a script, from when it holds all of its probes."""
    if not shutil.which("bpftrace"):
        for command in (("apt-get", "update", "-qq"), ("apt-get", "install", "-y", "-qq", "bpftrace")):
            subprocess.run(command if os.geteuid() == 0 else ("sudo", *command), check=True)
    with subprocess.Popen(("bpftrace", "-e", script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as tracer:
        try:
            end = time.monotonic() + ATTACH_SECONDS
            while _perf_events(tracer.pid) < probes:
                assert tracer.poll() is None, f"bpftrace ended: {tracer.communicate()[0].decode()}"
                assert time.monotonic() < end, "bpftrace attached nothing"
                time.sleep(0.05)
            time.sleep(0.3)
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()


def _perf_events(pid: int) -> int:
    count = 0
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            count += "perf_event" in str(path.readlink())
        except FileNotFoundError:
            continue  # closed since it was listed
    return count
