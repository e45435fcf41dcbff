"""Loads the probes: those that an earlier start kept, or else those that a process of its own compiles now.

The compiler takes 100 MB, some of which a process never releases. Nothing large may be imported here: the agent
calls this before it imports the rest of itself, so that the two are never large at the same time.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from gosonde_common.errors import UnavailableError

from gosonde_agent.host import attaching
from gosonde_agent.host.kernel import closes_probes_together
from gosonde_agent.model.errors import NotPermittedError, ProbeError
from gosonde_agent.sources.ebpf import compiled_file
from gosonde_agent.sources.ebpf.compiled import MOST_BYTES, Compiled, from_bytes

#: gopc offsets that probes/goroutines.bpf.c has an exit program for.
EXIT_PROGRAM_OFFSETS = range(240, 353, 8)
#: Those at uprobes.
PROGRAMS = (
    *("on_created", "on_created_117", "on_stop", "on_stop_untold", "on_start", "on_mark_termination", "on_park"),
    "on_ids_taken",
    *(f"on_exited_{offset}" for offset in EXIT_PROGRAM_OFFSETS),
)
#: Programs at raw tracepoints, and which.
RAW_TRACEPOINTS = {"on_exec": "sched_process_exec", "on_exit": "sched_process_exit"}
#: Every map of the source, also those that only the probes use.
MAPS = (
    *("counting", "events", "freed", "gc_stop_callers", "hits", "images", "last_epoch", "losses", "lost_at", "origins"),
    *("parks", "report_next_hit", "rounds", "sample_places", "samples", "shares", "sites", "spending", "taken"),
    *("watched", "worlds"),
)
#: Elements of the map `counting`: one for each file whose probes may come and go, and one that is always on.
COUNTING_SLOTS = 65_536
#: What may be raised while they are compiled.
ERRORS = (NotPermittedError, ProbeError)
#: Characters of an error's message that the compiling process hands over.
MOST_MESSAGE = 8_192
#: It takes about a second of a CPU, which a host that is busy may not give for minutes.
COMPILING_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Probes:
    """The loaded probes.

    Attributes:
        descriptors: File descriptors of maps and programs, by name.
        together: Whether the programs are for links of their own, of which the kernel closes many at the same time;
            else each runs at a perf event, and the kernel closes one after the other.
        compiled_because: Why those that were kept were not used; "" when they were.
    """

    descriptors: Mapping[str, int]
    together: bool = False
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
    """Loads the probes that are kept in `folder`; compiles them when there are none, and keeps them there.

    Compiling takes about a second. Without a folder, they are compiled and not kept.

    Args:
        together: See Probes; None where the kernel can.

    Raises:
        NotPermittedError: Privileges or python3-bpfcc are missing.
        ProbeError: The kernel or the compiler refused the source.
        UnavailableError: The host is too busy to compile.
    """
    together = closes_probes_together() if together is None else together
    if folder is None:
        return Probes(_compile().load(together=together), together, "there is no folder to keep them in")
    # It imports this module.
    from gosonde_agent.sources.ebpf.compiling import key  # noqa: PLC0415

    depends_on = key()
    try:
        return Probes(compiled_file.read(folder, depends_on).load(together=together), together)
    except compiled_file.NotKeptError as error:
        because = str(error)
    except ProbeError as error:
        because = f"the kernel refuses the saved ones: {error}"
    compiled = _compile()
    probes = Probes(compiled.load(together=together), together, because)
    with contextlib.suppress(OSError):  # the next start compiles again, and that is all
        compiled_file.keep(folder, depends_on, compiled)
    return probes


def _compile() -> Compiled:
    """What a process of its own compiled."""
    here, there = socket.socketpair()
    here.settimeout(COMPILING_SECONDS)
    with here:
        with there:
            # It looks for modules where this process does, and not in the directory that it was started in.
            find = f"import sys; sys.path[:] = {sys.path!r}"
            run = f"from gosonde_agent.sources.ebpf.compiling import main; main({there.fileno()})"
            command = [sys.executable, "-P", "-c", f"{find}; {run}"]
            # What bcc says of the source goes to stderr, so that a command's output stays its own.
            process = subprocess.Popen(
                command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL, stdout=2, process_group=0
            )
        try:
            answer = _received(here)
        except TimeoutError:
            raise UnavailableError(
                f"compiling the probes took more than {COMPILING_SECONDS:.0f} seconds: this host is too busy now"
            ) from None
        finally:
            process.kill()
            process.wait()
    try:
        return from_bytes(answer)
    except ValueError:
        _refused(answer, process.returncode)


def _received(channel: socket.socket) -> bytes:
    """What the other side sends until it closes, at most MOST_BYTES."""
    answer = bytearray()
    while len(answer) < MOST_BYTES and (more := channel.recv(1 << 16)):
        answer += more
    return bytes(answer)


def _refused(answer: bytes, status: int) -> NoReturn:
    try:
        said: Mapping[str, str] = json.loads(answer)
    except ValueError:  # it was killed
        said = {}
    for error in ERRORS:
        if said.get("error") == error.__name__:
            raise error(said["message"])
    raise ProbeError(f"the process that compiles the probes ended with status {status} and did not say why")
