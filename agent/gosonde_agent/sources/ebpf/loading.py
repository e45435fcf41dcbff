"""Has the probes loaded by a process of its own, which compiles them, hands their descriptors over and ends.

The compiler takes 100 MB, some of which a process never releases. Nothing large may be imported here: the agent
calls this before it imports the rest of itself, so that the two are never large at the same time.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from gosonde_agent.host.kernel import closes_probes_together
from gosonde_agent.model.errors import NotPermittedError, ProbeError

#: gopc offsets that probes/goroutines.bpf.c has an exit program for.
EXIT_PROGRAM_OFFSETS = range(240, 353, 8)
#: Those at uprobes.
PROGRAMS = (
    *("on_created", "on_created_117", "on_stop", "on_stop_untold", "on_start", "on_mark_termination", "on_park"),
    *(f"on_exited_{offset}" for offset in EXIT_PROGRAM_OFFSETS),
)
#: Programs at raw tracepoints, and which.
RAW_TRACEPOINTS = {"on_exec": "sched_process_exec", "on_exit": "sched_process_exit"}
MAPS = (
    *("events", "freed", "gc_stop_callers", "hits", "images", "last_epoch", "losses", "lost_at", "origins", "parks"),
    *("report_next_hit", "rounds", "shares", "sites", "watched", "worlds"),
)
#: What may be raised while they are compiled.
ERRORS = (NotPermittedError, ProbeError)
#: Of the message with the descriptors; the kernel lets 253 go with one.
MOST_BYTES, MOST_DESCRIPTORS = 1 << 16, 253
COMPILING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Probes:
    """The loaded probes: file descriptors of maps and programs, by name.

    Attributes:
        together: Whether the programs are for links of their own, of which the kernel closes many at the same time;
            else each runs at a perf event, and the kernel closes one after the other.
    """

    descriptors: Mapping[str, int]
    together: bool = False

    def __getitem__(self, name: str) -> int:
        return self.descriptors[name]

    def close(self) -> None:
        """Frees programs and maps that nothing else holds."""
        for descriptor in self.descriptors.values():
            os.close(descriptor)


def load_probes(*, together: bool | None = None) -> Probes:
    """Compiles and loads the probes; takes about a second.

    Args:
        together: See Probes; None where the kernel can.

    Raises:
        NotPermittedError: Privileges or python3-bpfcc are missing.
        ProbeError: The kernel or the compiler refused the source.
    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.settimeout(COMPILING_SECONDS)
    with here:
        with there:
            # It looks for modules where this process does, and not in the directory that it was started in.
            find = f"import sys; sys.path[:] = {sys.path!r}"
            wanted = closes_probes_together() if together is None else together
            arguments = f"{there.fileno()}, together={wanted}"
            run = f"from gosonde_agent.sources.ebpf.compiling import main; main({arguments})"
            command = [sys.executable, "-P", "-c", f"{find}; {run}"]
            # What bcc says of the source goes to stderr, so that a command's output stays its own.
            process = subprocess.Popen(
                command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL, stdout=2, process_group=0
            )
        try:
            message, descriptors, _, _ = socket.recv_fds(here, MOST_BYTES, MOST_DESCRIPTORS)
        except TimeoutError:
            raise ProbeError(f"compiling the probes took more than {COMPILING_SECONDS:.0f} seconds") from None
        finally:
            process.kill()
            process.wait()
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    answer = json.loads(message) if message else {}
    if "names" not in answer:
        _refused(answer, process.returncode)
    return Probes(dict(zip(answer["names"], descriptors, strict=True)), answer["together"])


def _refused(answer: Mapping[str, str], status: int) -> NoReturn:
    for error in ERRORS:
        if answer.get("error") == error.__name__:
            raise error(answer["message"])
    raise ProbeError(f"the process that compiles the probes ended with status {status} and said nothing")
