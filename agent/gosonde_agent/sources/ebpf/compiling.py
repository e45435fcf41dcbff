"""Compiles the probes with bcc: the only module that imports it.

It runs in a process of its own, which `compiler_process` starts. That process hands over what it compiled and ends: the
compiler and its memory never become a part of the agent.
"""

import json
import os
import socket
import time
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

from gosonde_agent.host import bpf, own_budget, privileges
from gosonde_agent.model.errors import NotPermittedError, ProbeError
from gosonde_agent.sources.ebpf import compiled
from gosonde_agent.sources.ebpf.compiler_process import ERRORS, MOST_MESSAGE
from gosonde_agent.sources.ebpf.loading import MAPS, PROGRAMS, RAW_TRACEPOINTS
from gosonde_agent.sources.ebpf.probe_text import flags, probe_dir, source

#: Between two times that the compiler's code is let go.
PAUSE_SECONDS = 0.02


def main(fd: int) -> None:
    """Sends what was compiled, or why it was not, over the socket `fd`."""
    with socket.socket(fileno=fd) as channel:
        try:
            privileges.drop(keep_admin=True)
            Thread(target=_stay_small, daemon=True).start()
            answer = _taken_out(_compiled()).to_bytes()
        except ERRORS as error:
            document = {"error": type(error).__name__, "message": str(error)[:MOST_MESSAGE]}
            answer = json.dumps(document).encode()
        channel.sendall(answer)


def _stay_small() -> NoReturn:
    """Of the 80 MB of code that a compiler runs, most is run once: only what has just been run stays resident."""
    while True:
        own_budget.let_go_of_code()
        time.sleep(PAUSE_SECONDS)


def _compiled() -> Any:  # noqa: ANN401  # bcc has no types
    try:
        import bcc  # noqa: PLC0415  # absent on hosts that only inspect binaries
    except ImportError as error:
        raise NotPermittedError(
            "the Python module bcc is missing: install the distribution's package python3-bpfcc "
            "(not PyPI's bcc, which is a different project) and let the virtual environment see it"
        ) from error
    if not _has_capabilities():
        raise NotPermittedError(
            "loading BPF programs needs root, or CAP_BPF and CAP_PERFMON; `gosonde doctor` says what is missing"
        )
    os.environ["BCC_KERNEL_SOURCE"] = str(probe_dir() / "kernel")
    try:
        return bcc.BPF(text=source().encode(), cflags=flags())
    except Exception as error:  # bcc raises bare Exception
        raise ProbeError(f"the probes were refused: {error}; `gosonde doctor` says what this host lacks") from error


def _taken_out(module: Any) -> compiled.Compiled:  # noqa: ANN401
    """The maps and programs of bcc's module, which has made the maps already and loaded no program."""
    descriptors = {name: int(module[name.encode()].map_fd) for name in MAPS}
    names = {descriptor: name for name, descriptor in descriptors.items()}
    kinds = dict.fromkeys(PROGRAMS, int(module.KPROBE)) | dict.fromkeys(RAW_TRACEPOINTS, int(module.RAW_TRACEPOINT))
    return compiled.Compiled(
        {name: bpf.map_shape(descriptor) for name, descriptor in descriptors.items()},
        {name: compiled.program(kind, module.dump_func(name.encode()), names) for name, kind in kinds.items()},
    )


def _has_capabilities() -> bool:
    """Whether the effective set has CAP_SYS_ADMIN (21), or CAP_BPF (39) and CAP_PERFMON (38)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            return bool(effective >> 21 & 1) or bool(effective >> 39 & 1 and effective >> 38 & 1)
    return False
