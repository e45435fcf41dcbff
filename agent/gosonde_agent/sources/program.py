"""Compiles and loads the probes with bcc. The only module that imports it."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gosonde_agent
from gosonde_agent.errors import NotPermittedError, ProbeError

SOURCES = ("gosonde.h", "common.bpf.c", "lifecycle.bpf.c", "goroutines.bpf.c", "world.bpf.c", "park.bpf.c")
EVENT_PAGES = 256
SIZES = {"MAX_SITES": 131_072, "MAX_IMAGES": 32_768, "MAX_PARKS": 16_384, "EVENT_PAGES": EVENT_PAGES}
MADV_PAGEOUT = 21
#: Inode of the host's own pid namespace (include/linux/proc_ns.h).
PROC_PID_INIT_INO = 0xEFFFFFFC


def probe_dir() -> Path:
    """Where the eBPF sources are: beside the installed package, or in the repository of an editable install."""
    installed = Path(gosonde_agent.__file__).parent / "probes"
    return installed if installed.is_dir() else Path(gosonde_agent.__file__).parents[2] / "probes"


def source() -> str:
    """The whole eBPF program: bcc rewrites map accesses only in the file that it is given."""
    directory = probe_dir()
    types = "#include <linux/types.h>\n"
    return types + "\n".join(f'#line 1 "{name}"\n{(directory / name).read_text()}' for name in SOURCES)


class Program:
    """The loaded probes: programs by name, maps by name, and the ring buffer.

    Raises:
        NotPermittedError: Privileges or python3-bpfcc are missing.
        ProbeError: The kernel or the compiler refused the source.
    """

    def __init__(self) -> None:
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
            self._bpf: Any = bcc.BPF(text=source().encode(), cflags=flags)
        except Exception as error:  # bcc raises bare Exception
            raise ProbeError(f"the probes were refused: {error}; `gosonde doctor` says what this host lacks") from error
        self._kind = bcc.BPF.KPROBE
        self._callback: Callable[[Any, int, int], None] | None = None

    def map_fd(self, name: str) -> int:
        """The file descriptor of a map."""
        return int(self._bpf[name.encode()].map_fd)

    def function_fd(self, name: str) -> int:
        """The file descriptor of a program, which is loaded into the kernel when it is first asked for.

        Raises:
            NotPermittedError: Privileges are missing.
            ProbeError: The verifier refused it.
        """
        try:
            return int(self._bpf.load_func(name.encode(), self._kind).fd)
        except Exception as error:  # bcc raises bare Exception
            message = str(error)
            if "not permitted" in message.lower() or "CAP_" in message:
                raise NotPermittedError(
                    f"loading the probe {name}: {message}; run as root or see `gosonde doctor`"
                ) from error
            raise ProbeError(f"loading the probe {name}: {message}") from error

    def attach_tracepoint(self, tracepoint: str, function: str) -> None:
        """Runs a program at a raw tracepoint, until the process ends."""
        try:
            self._bpf.attach_raw_tracepoint(tp=tracepoint.encode(), fn_name=function.encode())
        except Exception as error:
            raise ProbeError(f"attaching to the tracepoint {tracepoint}: {error}") from error

    def on_event(self, handler: Callable[[bytes], None]) -> None:
        """Calls `handler` with the bytes of each record that `drain` finds."""

        def callback(_context: Any, data: int, size: int) -> None:  # noqa: ANN401
            handler(ctypes.string_at(data, size))

        self._callback = callback
        self._bpf[b"events"].open_ring_buffer(callback)

    def drain(self) -> None:
        """Handles what the ring buffer holds now."""
        self._bpf.ring_buffer_consume()

    def give_memory_back(self) -> None:
        """Lets the kernel take back what compiling needed: the compiler's heap, and pages of files that are not in use.

        Pages that are needed after all come back from the page cache.
        """
        self._bpf.free_bcc_memory()
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        for line in Path("/proc/self/maps").read_text().splitlines():
            fields = line.split()
            if len(fields) > 5 and fields[5].startswith("/"):
                start, end = (int(part, 16) for part in fields[0].split("-"))
                libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_PAGEOUT)

    def close(self) -> None:
        """Detaches the tracepoints and frees programs and maps."""
        self._bpf.cleanup()


def _pid_namespace() -> dict[str, str]:
    """What tells the probes of the agent's pid namespace; nothing when it is the host's."""
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
