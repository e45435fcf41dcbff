"""Has a process of its own compile the probes: the compiler takes 100 MB, some of which a process never releases."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import NoReturn

from gosonde_common.errors import UnavailableError

from gosonde_agent.model.errors import NotPermittedError, ProbeError
from gosonde_agent.sources.ebpf.compiled import MOST_BYTES, Compiled, from_bytes

#: What may be raised while they are compiled.
ERRORS = (NotPermittedError, ProbeError)
#: Characters of an error's message that the compiling process hands over.
MOST_MESSAGE = 8_192
#: It takes about a second of a CPU, which a host that is busy may not give for minutes.
COMPILING_SECONDS = 300.0


def compile_probes() -> Compiled:
    """Has a process of its own compile the source.

    Raises:
        NotPermittedError: Privileges or python3-bpfcc are missing.
        ProbeError: The compiler refused the source.
        UnavailableError: The host is too busy to compile.
    """
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
