"""What each source costs a program that creates goroutines as fast as it can, beside eBPF, and what its reader pays."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from gosonde_agent.golang import binary
from gosonde_agent.host import procfs
from gosonde_agent.host.cache_folder import cache_folder
from gosonde_agent.sources.select import candidates, choose

from benchmarks import quiet
from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

EBPF = "ebpf"
#: Sources that are hit for each goroutine; readings of memory are not.
NAMES = (EBPF, "perf-breakpoints", "perf-uprobes")
#: A goroutine takes so much longer by perf events that a part of them shows it.
FEWER = 20


def sources(effort: Effort) -> Iterator[Row]:
    """ns of the program's CPU that a goroutine's life takes more, in rounds that have each source once, with ratios."""
    executable, goroutines = build("bench"), effort.goroutines // FEWER
    added: defaultdict[str, list[float]] = defaultdict(list)
    read: defaultdict[str, list[float]] = defaultdict(list)
    with quiet.preferred():
        for _ in range(effort.rounds):
            with GoProgram(executable) as program:
                alone, _ = _life("", program, goroutines)
                for name in NAMES:
                    life, reader = _life(name, program, goroutines)
                    added[name].append(life - alone)
                    read[name].append(reader)
    for name in NAMES:
        yield Row("sources", name, "ns of the program's CPU more per life", tuple(added[name]))
        yield Row("sources", name, "ns of the reader's CPU per life", tuple(read[name]))
        if name != EBPF:
            ratios = tuple(own / its for own, its in zip(added[name], added[EBPF], strict=True))
            yield Row("sources", f"{name} / {EBPF}", "times the program's CPU", ratios)


def _life(name: str, program: GoProgram, goroutines: int) -> tuple[float, float]:
    """ns of CPU per goroutine that does nothing: the program's, and the reader's."""
    with _counted(name, program.pid) if name else nullcontext():
        program.ask(f"run {goroutines // 10}")
        ran, own = quiet.ran_ns(program.pid), time.process_time_ns()
        program.ask(f"run {goroutines}")
        return (quiet.ran_ns(program.pid) - ran) / goroutines, (time.process_time_ns() - own) / goroutines


@contextmanager
def _counted(name: str, pid: int) -> Iterator[None]:
    """A program that one source counts."""
    source = choose(candidates(cache_folder(), pid), name).source
    try:
        with procfs.executable(pid) as (fd, path):
            source.attach(1, binary.load(fd, path), fd, pid, ("created", "exited"))
            yield
            source.detach(1)
    finally:
        source.close()
