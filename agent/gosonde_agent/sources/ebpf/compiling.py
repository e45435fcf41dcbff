"""Compiles the probes with bcc: the only module that imports it.

It runs in a process of its own, which `loading` starts. That process hands over what it compiled and ends: the
compiler and its memory never become a part of the agent.
"""

import hashlib
import importlib.util
import json
import os
import socket
import time
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

import gosonde_agent
from gosonde_agent.host import bpf, own_budget, privileges
from gosonde_agent.model.errors import NotPermittedError, ProbeError
from gosonde_agent.sources.ebpf import compiled
from gosonde_agent.sources.ebpf.loading import (
    COUNTING_SLOTS,
    ERRORS,
    MAPS,
    MOST_MESSAGE,
    PROGRAMS,
    RAW_TRACEPOINTS,
)

SOURCES = (
    "gosonde.h",
    "common.bpf.c",
    "shares.bpf.c",
    "lifecycle.bpf.c",
    "goroutines.bpf.c",
    "samples.bpf.c",
    "world.bpf.c",
    "park.bpf.c",
)
SIZES = {
    "MAX_SITES": 131_072,
    "MAX_IMAGES": 32_768,
    "MAX_PARKS": 16_384,
    "EVENT_PAGES": 1_024,
    "COUNTING_SLOTS": COUNTING_SLOTS,
}
#: Inode of the host's own pid namespace (include/linux/proc_ns.h).
PROC_PID_INIT_INO = 0xEFFFFFFC
#: Of what is kept of a compilation. What was kept in another form is not used.
FORM = 1
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


def key() -> str:
    """What the compiled probes depend on, as a hash: kernel, bcc, source, headers and sizes."""
    parts = (FORM, *os.uname()[2:], *_bcc_version(), source(), _flags(), _headers())
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


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
        return bcc.BPF(text=source().encode(), cflags=_flags())
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


def _flags() -> list[str]:
    return [f"-D{name}={value}" for name, value in {**SIZES, **_pid_namespace()}.items()]


def _bcc_version() -> tuple[str, int]:
    """The text of bcc's own file of its version, and that file's time: a package that was built again has another.

    bcc itself is not imported for this: it comes with the compiler.
    """
    found = importlib.util.find_spec("bcc")
    path = Path(found.origin).with_name("version.py") if found and found.origin else None
    return (path.read_text(), path.stat().st_mtime_ns) if path and path.is_file() else ("", 0)


def _headers() -> str:
    """The headers that are compiled with the source."""
    files = sorted(path for path in (probe_dir() / "kernel").rglob("*") if path.is_file())
    return "\n".join(f"{path.name}\n{path.read_text()}" for path in files)


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
