"""Whether the kernel can run the probes: what they need came with Linux 5.15, and some distributions took it back."""

import os
import platform

from gosonde_agent.host import bpf
from gosonde_agent.host.kernel import kernel_version
from gosonde_agent.model.errors import NotPermittedError, OldKernelError, ProbeError

OLDEST_KERNEL = (5, 15)
WHAT_TO_USE = f"use Linux {OLDEST_KERNEL[0]}.{OLDEST_KERNEL[1]} or newer"
#: call bpf_get_attach_cookie, by which a probe knows its file (include/uapi/linux/bpf.h); r0 = 0; exit
GET_ATTACH_COOKIE = bytes.fromhex("85000000ae000000 b700000000000000 9500000000000000")


def is_too_old() -> bool:
    """Whether the kernel lacks what the probes need. An older version is tried, where this process may use BPF."""
    if kernel_version() >= OLDEST_KERNEL:
        return False
    try:
        os.close(bpf.load_program("cookie", bpf.BPF_PROG_TYPE_KPROBE, GET_ATTACH_COOKIE))
    except (NotPermittedError, ProbeError):
        return True
    return False


def found() -> str:
    """The kernel's version, and that it is too old where it is."""
    return f"Linux {platform.release()}{' is too old' if is_too_old() else ''}"


def check() -> None:
    """Does nothing where the kernel can run the probes.

    Raises:
        OldKernelError: It cannot.
    """
    if is_too_old():
        raise OldKernelError(f"{found()} for the probes: {WHAT_TO_USE}")
