"""Loads the probes: those that the package brings, or that an earlier start kept, or that a process compiles now.

Nothing large may be imported here: the agent calls this before it imports the rest of itself, so that it and the
compiler are never large at the same time.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gosonde_agent.host import attaching, oldest_kernel
from gosonde_agent.host.kernel import closes_probes_together
from gosonde_agent.model.errors import NotPermittedError, ProbeError
from gosonde_agent.sources.ebpf import compiled_file, probe_text
from gosonde_agent.sources.ebpf.compiler_process import compile_probes

#: gopc offsets that probes/goroutines.bpf.c has an exit program for.
EXIT_PROGRAM_OFFSETS = range(240, 353, 8)
#: Those at uprobes.
PROGRAMS = (
    *("on_created", "on_created_117", "on_stop", "on_stop_untold", "on_start", "on_mark_termination", "on_park"),
    *("on_ids_taken", "on_status_changed"),
    *(f"on_exited_{offset}" for offset in EXIT_PROGRAM_OFFSETS),
)
#: Programs at raw tracepoints, and which.
RAW_TRACEPOINTS = {"on_exec": "sched_process_exec", "on_exit": "sched_process_exit"}
#: Every map of the source, also those that only the probes use.
MAPS = (
    *("counting", "events", "freed", "gc_stop_callers", "hits", "images", "last_epoch", "losses", "lost_at", "origins"),
    *("parks", "pid_namespace", "report_next_hit", "rounds", "sample_places", "samples", "shares", "sites", "spending"),
    *("taken", "timelines", "transitions", "watched", "worlds"),
)
#: The package that is installed, an earlier start, or this one.
Origin = Literal["package", "kept", "compiled"]


@dataclass(frozen=True, slots=True)
class Probes:
    """The loaded probes.

    Attributes:
        descriptors: File descriptors of maps and programs, by name.
        together: Whether the programs are for links of their own, of which the kernel closes many at the same time;
            else each runs at a perf event, and the kernel closes one after the other.
        origin: Where they are from.
        compiled_because: Why probes that were compiled earlier were not used: the package's, or those that were kept.
    """

    descriptors: Mapping[str, int]
    together: bool = False
    origin: Origin = "compiled"
    compiled_because: str = ""

    def __getitem__(self, name: str) -> int:
        return self.descriptors[name]

    def open_uprobe(self, fd: int, file_offset: int, pid: int | None) -> int:
        """See attaching.open_uprobe."""
        return attaching.open_uprobe(fd, file_offset, pid)

    def link(self, program: str, event_fd: int, cookie: int) -> int:
        """Runs a program at a perf event; see attaching.link."""
        return attaching.link(self[program], event_fd, cookie)

    def link_uprobe(self, program: str, fd: int, file_offset: int, pid: int | None, cookie: int) -> int:
        """Runs a program at an instruction, where `together`; see attaching.link_uprobe."""
        return attaching.link_uprobe(self[program], fd, file_offset, pid, cookie)

    def raw_tracepoint(self, program: str) -> int:
        """Runs one of RAW_TRACEPOINTS; see attaching.raw_tracepoint."""
        return attaching.raw_tracepoint(self[program], RAW_TRACEPOINTS[program])

    def close(self) -> None:
        """Frees programs and maps that nothing else holds."""
        for descriptor in self.descriptors.values():
            os.close(descriptor)


def load_probes(folder: Path | None = None, *, together: bool | None = None) -> Probes:
    """Loads the probes of the package; else those that are kept in `folder`; else compiles them, and keeps them there.

    Compiling takes about a second. Without a folder, they are compiled and not kept.

    Args:
        together: See Probes; None where the kernel can.

    Raises:
        NotPermittedError: Privileges are missing, or python3-bpfcc where they have to be compiled.
        OldKernelError: The kernel lacks what they need.
        ProbeError: The kernel or the compiler refused the source.
        UnavailableError: The host is too busy to compile.
    """
    oldest_kernel.check()
    together = closes_probes_together() if together is None else together
    reasons: dict[Origin, str] = {}
    for origin, place, key in _compiled_earlier(folder):
        try:
            descriptors = compiled_file.read(place, key).load(together=together)
            return Probes(descriptors, together, origin, _said(reasons))
        except compiled_file.NotKeptError as error:
            reasons[origin] = str(error)
        except ProbeError as error:
            reasons[origin] = f"the kernel refuses the saved ones: {error}"
    if folder is None:
        reasons["kept"] = "there is no folder to keep them in"
    return _compiled_now(folder, reasons, together=together)


def come_compiled() -> bool:
    """Whether the package brings compiled probes that fit its source and this host's processor."""
    try:
        compiled_file.read(probe_text.probe_dir(), probe_text.key_of_package())
    except compiled_file.NotKeptError:
        return False
    return True


def _compiled_earlier(folder: Path | None) -> Iterator[tuple[Origin, Path, str]]:
    """Where there may be compiled probes, and what they must be of."""
    package = probe_text.probe_dir()
    if (package / compiled_file.FILE_NAME).exists():  # not where gosonde runs from its sources
        yield "package", package, probe_text.key_of_package()
    if folder:
        yield "kept", folder, probe_text.key_of_host()


def _compiled_now(folder: Path | None, reasons: Mapping[Origin, str], *, together: bool) -> Probes:
    try:
        compiled = compile_probes()
    except NotPermittedError as error:
        if "package" not in reasons:
            raise
        raise NotPermittedError(
            f"the package's compiled probes cannot be used: {reasons['package']}; {error}"
        ) from error
    probes = Probes(compiled.load(together=together), together, "compiled", _said(reasons))
    if folder:
        with contextlib.suppress(OSError):  # the next start compiles again, and that is all
            compiled_file.keep(folder, probe_text.key_of_host(), compiled)
    return probes


def _said(reasons: Mapping[Origin, str]) -> str:
    return "; ".join(f"the package's: {text}" if origin == "package" else text for origin, text in reasons.items())
