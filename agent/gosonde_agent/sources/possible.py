"""Which sources are possible: on this host, and of those which can watch one binary or process."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gosonde_common.errors import GosondeError

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.sources.kinds import EBPF, MEMORY, NO_PARKS, PERF_BREAKPOINTS, PERF_UPROBES, PTRACE_WINDOWS, Kind
from gosonde_agent.sources.memory.bias import load_bias
from gosonde_agent.sources.memory.target import KnownBinaries, opened
from gosonde_agent.sources.perf.breakpoints import try_breakpoint
from gosonde_agent.sources.perf.points import points_in
from gosonde_agent.sources.perf.uprobes import try_uprobe
from gosonde_agent.sources.ptrace.breakpoints.finding import breakpoints
from gosonde_agent.sources.ptrace.breakpoints.trial import try_breakpoints

#: As hosts call the architectures of binaries.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
#: What eBPF does not see of a binary where a probe has no proved place.
UNSEEN = {
    "parked": NO_PARKS,
    "stopped": "stop-the-world pauses",
    "started": "stop-the-world pauses",
    "mark_termination": "GC cycles",
}


@dataclass(frozen=True, slots=True)
class Possibility:
    """Whether a source is possible on this host, for processes of this process's user at least.

    Attributes:
        refused: Why it is not; empty where it is.
    """

    kind: Kind
    refused: str = ""


def possibilities(no_ebpf: str) -> list[Possibility]:
    """Of every source, in the order of preference.

    Args:
        no_ebpf: Why the host does not allow eBPF; empty where it does.
    """
    return [
        Possibility(EBPF, no_ebpf),
        Possibility(PERF_BREAKPOINTS, _refusal_of(lambda: try_breakpoint(os.getpid()))),
        Possibility(PERF_UPROBES, _refusal_of(try_uprobe)),
        Possibility(MEMORY),
        Possibility(PTRACE_WINDOWS, _refusal_of(try_breakpoints)),
    ]


def of_binary(on_host: Sequence[Possibility], binary: GoBinary, fd: int, pid: int | None = None) -> list[Possibility]:
    """The same for one binary: each source that the host or the binary refuses has the reasons of both.

    Args:
        on_host: See `possibilities`.
        fd: The binary's open file.
        pid: A process that runs it and is to be watched; None where it is a file alone.
    """
    machine = platform.machine()
    if MACHINES.get(binary.architecture) != machine:
        foreign = f"the binary is for {binary.architecture}, and this host is {machine}"
        return [_narrowed(each, foreign) for each in on_host]
    # Perf events need the memory, too: it says who lived before.
    reading = _refusal_of(lambda: _try_reading(fd, pid))
    sampling = _refusal_of(lambda: points_in(binary, bias=0)) or reading
    refusals = {
        PERF_BREAKPOINTS.name: sampling or ("" if pid is None else _refusal_of(lambda: try_breakpoint(pid))),
        PERF_UPROBES.name: sampling,
        MEMORY.name: reading,
        PTRACE_WINDOWS.name: _refusal_of(lambda: _try_finding(binary, fd, pid)),
    }
    cannot = tuple(dict.fromkeys(UNSEEN[probe] for probe in binary.unproved))
    return [
        _narrowed(each if each.kind is not EBPF else replace(each, kind=replace(EBPF, cannot=cannot)), reason)
        for each in on_host
        for reason in [refusals.get(each.kind.name, "")]
    ]


def _narrowed(on_host: Possibility, reason: str) -> Possibility:
    reasons = dict.fromkeys(each for each in (on_host.refused, reason) if each)
    return replace(on_host, refused="; ".join(reasons))


def _try_reading(fd: int, pid: int | None) -> None:
    """Looks for the runtime's variables: in a process, or where they may be in its file."""
    if pid is None:
        KnownBinaries().of(fd)
        return
    with opened(pid):
        pass


def _try_finding(binary: GoBinary, fd: int, pid: int | None) -> None:
    """Looks for the places of breakpoints by ptrace."""
    image = ElfImage(fd)
    breakpoints(binary, image, load_bias(pid, fd, image.segments) if pid is not None else 0)


def _refusal_of(trial: Callable[[], object]) -> str:
    """Why a trial fails; empty where it does not."""
    try:
        trial()
    except GosondeError as error:
        return str(error)
    return ""
