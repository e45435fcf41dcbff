"""Which source watches a process: the best of those that this host allows, and why it is that one."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gosonde_common.errors import GosondeError, UsageError

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.model.errors import NotPermittedError
from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.kinds import EBPF, MEMORY, PERF_BREAKPOINTS, PERF_UPROBES, PTRACE_WINDOWS, Kind
from gosonde_agent.sources.memory.bias import load_bias
from gosonde_agent.sources.memory.rate import creations_per_second
from gosonde_agent.sources.memory.source import MemorySource
from gosonde_agent.sources.memory.target import opened
from gosonde_agent.sources.perf.breakpoints import open_breakpoints, try_breakpoint
from gosonde_agent.sources.perf.source import Creations, PerfSource, ReadCreations
from gosonde_agent.sources.perf.uprobes import open_uprobes, try_uprobe
from gosonde_agent.sources.protocol import Source
from gosonde_agent.sources.ptrace.source import PtraceSource, Readings

ASKED_FOR = "asked for with --source"
BEST = "the best that this host allows"
#: Nothing is known to be impossible.
NOTHING: Mapping[str, str] = {}


class Candidate(NamedTuple):
    """A source that may be had; `make` raises GosondeError where the host does not allow it, and says why.

    What can harm a process (`kind.danger`) is made only when it is asked for.
    """

    kind: Kind
    make: Callable[[], Source]


@dataclass(frozen=True, slots=True)
class Choice:
    """The source that was chosen.

    Attributes:
        why: Why it is this one, for people.
        refused: Why each that sees more is not, by its name.
    """

    source: Source
    why: str
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.source.kind


def candidates(cache: Path, pid: int | None = None, *, stands: bool = False) -> tuple[Candidate, ...]:
    """Every source, in the order of preference; compiled probes are kept in the folder `cache`.

    Args:
        pid: The process that is to be watched, where it is known.
        stands: Whether that has not yet run its first instruction.
    """
    read = _nothing_created if stands else _creations
    return (
        Candidate(EBPF, lambda: EbpfSource(load_probes(cache))),
        Candidate(PERF_BREAKPOINTS, lambda: _by_breakpoints(pid, read)),
        Candidate(PERF_UPROBES, lambda: _by_uprobes(read)),
        Candidate(MEMORY, MemorySource),
        Candidate(PTRACE_WINDOWS, lambda: PtraceSource(Readings(creations_per_second, load_bias))),
    )


def _by_breakpoints(pid: int | None, read: ReadCreations) -> Source:
    """The source, where its events can be opened in a process, or in this one.

    Raises:
        GosondeError: They cannot; why.
    """
    try_breakpoint(pid or os.getpid())
    return PerfSource(PERF_BREAKPOINTS, open_breakpoints, read)


def _by_uprobes(read: ReadCreations) -> Source:
    """The source, where uprobes can be opened.

    Raises:
        GosondeError: They cannot; why.
    """
    try_uprobe()
    return PerfSource(PERF_UPROBES, open_uprobes, read)


def _creations(pid: int, _fd: int) -> Creations:
    with opened(pid) as target:
        return Creations(target.runtime.bias, target.creation_addresses())


def _nothing_created(pid: int, fd: int) -> Creations:
    """Of a process that has not yet run its first instruction."""
    return Creations(load_bias(pid, fd, ElfImage(fd).segments), {})


def choose(among: Sequence[Candidate], forced: str = "", known: Mapping[str, str] = NOTHING) -> Choice:
    """The first source that the host allows, or the one that is asked for.

    Args:
        known: Why some are not possible, by name.

    Raises:
        UsageError: There is none of that name.
        NotPermittedError: The host allows none.
        GosondeError: The host does not allow the one that is asked for.
    """
    if forced:
        return Choice(_named(among, forced).make(), ASKED_FOR)
    refused = dict(known)
    for candidate in among:
        if candidate.kind.danger or candidate.kind.name in refused:
            continue
        try:
            return Choice(candidate.make(), _why(refused), refused)
        except GosondeError as error:
            refused[candidate.kind.name] = str(error)
    raise NotPermittedError(f"this host allows no source: not {_said(refused)}")


def _named(among: Sequence[Candidate], name: str) -> Candidate:
    found = next((candidate for candidate in among if candidate.kind.name == name), None)
    if found is None:
        names = ", ".join(candidate.kind.name for candidate in among)
        raise UsageError(f"there is no source {name!r}: --source takes {names}")
    return found


def _why(refused: Mapping[str, str]) -> str:
    return f"not {_said(refused)}" if refused else BEST


def _said(refused: Mapping[str, str]) -> str:
    """Each reason once, after all that it keeps from being chosen."""
    names: dict[str, list[str]] = {}
    for name, reason in refused.items():
        names.setdefault(reason, []).append(name)
    return "; not ".join(f"{', '.join(those)}: {reason}" for reason, those in names.items())
