"""Compiles the probes with bcc and loads them into the kernel: the only module that imports it.

It runs in a process of its own, which `loading` starts. That process hands the descriptors over to the agent and
ends: the compiler and its memory never become a part of the agent.
"""

import inspect
import json
import os
import socket
import time
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

import gosonde_agent
from gosonde_agent.host import own_budget, privileges
from gosonde_agent.host.syscalls import BPF_TRACE_UPROBE_MULTI
from gosonde_agent.model.errors import NotPermittedError, ProbeError
from gosonde_agent.sources.ebpf.loading import (
    ERRORS,
    MAPS,
    MOST_BYTES,
    PROGRAMS,
    RAW_TRACEPOINTS,
)

SOURCES = (
    "gosonde.h",
    "common.bpf.c",
    "shares.bpf.c",
    "lifecycle.bpf.c",
    "goroutines.bpf.c",
    "world.bpf.c",
    "park.bpf.c",
)
SIZES = {"MAX_SITES": 131_072, "MAX_IMAGES": 32_768, "MAX_PARKS": 16_384, "EVENT_PAGES": 256}
#: Inode of the host's own pid namespace (include/linux/proc_ns.h).
PROC_PID_INIT_INO = 0xEFFFFFFC
#: Between two times that the compiler's code is let go.
PAUSE_SECONDS = 0.02


def probe_dir() -> Path:
    """Where the eBPF sources are: beside the installed package, or in the repository of an editable install."""
    installed = Path(gosonde_agent.__file__).parent / "probes"
    return installed if installed.is_dir() else Path(gosonde_agent.__file__).parents[2] / "probes"


def source() -> str:
    """The whole eBPF program: bcc rewrites map accesses only in the file that it is given."""
    directory = probe_dir()
    types = "#include <linux/types.h>\n"
    return types + "\n".join(f'#line 1 "{name}"\n{(directory / name).read_text()}' for name in SOURCES)


def main(fd: int, *, together: bool) -> None:
    """Sends what was loaded, or why it was not, over the socket `fd`; `together` as in `loading.load_probes`."""
    answer: dict[str, Any]
    with socket.socket(fileno=fd) as channel:
        try:
            privileges.drop(keep_admin=True)
            Thread(target=_stay_small, daemon=True).start()
            bpf = _compiled()
            together = together and "attach_type" in inspect.signature(bpf.load_func).parameters
            descriptors = _descriptors(bpf, together=together)
        except ERRORS as error:
            answer = {"error": type(error).__name__, "message": str(error)[: MOST_BYTES // 8]}
            channel.send(json.dumps(answer).encode())
            return
        answer = {"names": list(descriptors), "together": together}
        socket.send_fds(channel, [json.dumps(answer).encode()], list(descriptors.values()))


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
            "(not PyPI's bcc, which is another project) and let the virtual environment see it"
        ) from error
    if not _has_capabilities():
        raise NotPermittedError(
            "loading BPF programs needs root, or CAP_BPF and CAP_PERFMON; `gosonde doctor` says what is missing"
        )
    os.environ["BCC_KERNEL_SOURCE"] = str(probe_dir() / "kernel")
    flags = [f"-D{name}={value}" for name, value in {**SIZES, **_pid_namespace()}.items()]
    try:
        return bcc.BPF(text=source().encode(), cflags=flags)
    except Exception as error:  # bcc raises bare Exception
        raise ProbeError(f"the probes were refused: {error}; `gosonde doctor` says what this host lacks") from error


def _descriptors(bpf: Any, *, together: bool) -> dict[str, int]:  # noqa: ANN401
    """Those of maps and programs by name; programs are loaded here, `together` for links of their own.

    Raises:
        NotPermittedError: Privileges are missing.
        ProbeError: The verifier refused a program.
    """
    descriptors = {name: int(bpf[name.encode()].map_fd) for name in MAPS}
    kinds = dict.fromkeys(PROGRAMS, bpf.KPROBE) | dict.fromkeys(RAW_TRACEPOINTS, bpf.RAW_TRACEPOINT)
    own_links = {"attach_type": BPF_TRACE_UPROBE_MULTI} if together else {}
    for name, kind in kinds.items():
        try:
            further = own_links if name in PROGRAMS else {}
            descriptors[name] = int(bpf.load_func(name.encode(), kind, **further).fd)
        except Exception as error:  # bcc raises bare Exception
            message = str(error)
            if "not permitted" in message.lower() or "CAP_" in message:
                raise NotPermittedError(
                    f"loading the probe {name}: {message}; run as root or see `gosonde doctor`"
                ) from error
            raise ProbeError(f"loading the probe {name}: {message}") from error
    return descriptors


def _pid_namespace() -> dict[str, str]:
    """What configures the probes for the agent's pid namespace; nothing when it is the host's."""
    found = Path("/proc/self/ns/pid").stat()
    if found.st_ino == PROC_PID_INIT_INO:
        return {}
    # The kernel's dev_t.
    device = os.major(found.st_dev) << 20 | os.minor(found.st_dev)
    return {"PIDNS_DEVICE": f"{device}ULL", "PIDNS_INODE": f"{found.st_ino}ULL"}


def _has_capabilities() -> bool:
    """Whether the effective set has CAP_SYS_ADMIN (21), or CAP_BPF (39) and CAP_PERFMON (38)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            return bool(effective >> 21 & 1) or bool(effective >> 39 & 1 and effective >> 38 & 1)
    return False
