"""The capabilities that the agent's helper keeps, and how a process lets go of all others right after its start."""

import ctypes
import os
import re
from collections.abc import Mapping
from pathlib import Path

from gosonde_common.errors import GosondeError

from gosonde_agent.host import bpf, trials
from gosonde_agent.model.errors import NotPermittedError

#: Number and reason of each capability that the helper keeps when it has it. docs/security.md shows them.
KEPT: Mapping[str, tuple[int, str]] = {
    "CAP_DAC_READ_SEARCH": (2, "opens the executables of other users' processes"),
    "CAP_SYS_PTRACE": (19, "opens /proc/PID/exe, maps and mem of other users' processes"),
    "CAP_SYS_ADMIN": (21, "opens uprobes where the kernel does not accept CAP_PERFMON for it"),
    "CAP_LEASE": (28, "takes leases on executables that it does not own"),
    "CAP_PERFMON": (38, "opens uprobes, and lets BPF programs read memory"),
    "CAP_BPF": (39, "loads BPF programs, makes maps, and attaches programs where the kernel asks for it"),
}
_BPF = 1 << KEPT["CAP_BPF"][0]
VERSION_3 = 0x20080522
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
LAST_CAP = 63


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def uprobes_need_admin() -> bool:
    """Whether this kernel opens a uprobe only with CAP_SYS_ADMIN: a child without it tries."""
    child = os.fork()
    if child == 0:
        os._exit(_try_without_admin())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _try_without_admin() -> int:
    try:
        drop(keep_admin=False)
        trials.uprobe()
    except (OSError, GosondeError):
        return 1
    return 0


def drop(*, keep_admin: bool) -> frozenset[str]:
    """Gives up every capability but those of KEPT, for good, and returns the names of those that are left.

    Call it before any other thread is started: capabilities belong to threads.

    Raises:
        NotPermittedError: The kernel refuses, or afterwards more is left than should be.
    """
    wanted = {number for name, (number, _) in KEPT.items() if keep_admin or name != "CAP_SYS_ADMIN"}
    keep = sum(1 << number for number in wanted) & _mask("CapPrm")
    _drop_all_but(keep)
    return frozenset(name for name, (number, _) in KEPT.items() if keep >> number & 1)


def drop_all(*, keep_bpf: bool) -> None:
    """Gives up every capability, for good, but CAP_BPF where that is to be kept; else as `drop`."""
    _drop_all_but(_BPF & _mask("CapPrm") if keep_bpf else 0)


def maps_need_bpf(map_fd: int) -> bool:
    """Whether this process has CAP_BPF, and needs it to use a map that another one has opened: a child without tries.

    So it is before Linux 5.19 where kernel.unprivileged_bpf_disabled is not 0 (`__sys_bpf` in kernel/bpf/syscall.c).
    """
    if not _BPF & _mask("CapPrm"):
        return False
    child = os.fork()
    if child == 0:
        os._exit(_try_without_bpf(map_fd))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _try_without_bpf(map_fd: int) -> int:
    try:
        drop_all(keep_bpf=False)
        bpf.map_shape(map_fd)
    except GosondeError:
        return 1
    return 0


def check_alone() -> None:
    """Raises NotPermittedError when this process has another thread, which would keep what this one gives up."""
    if (threads := len(list(Path("/proc/self/task").iterdir()))) != 1:
        raise NotPermittedError(f"the agent has {threads} threads before it has dropped its capabilities")


def hide() -> None:
    """Has no other process of the same user look into this one."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _drop_all_but(keep: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for number in range(LAST_CAP + 1):
        if not keep >> number & 1 and libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    header = _Header(VERSION_3, 0)
    halves = (_Data * 2)(*(_Data(keep >> shift & 0xFFFFFFFF, keep >> shift & 0xFFFFFFFF, 0) for shift in (0, 32)))
    if libc.capset(ctypes.byref(header), halves):
        raise NotPermittedError(f"cannot drop capabilities: {os.strerror(ctypes.get_errno())}")
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    check(keep)


def check(most: int) -> None:
    """Looks again. Raises NotPermittedError when the kernel says that this process may do more than `most`."""
    for line in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        if _mask(line) & ~most:
            raise NotPermittedError(f"{line} of the agent is {_mask(line):#x} after dropping all but {most:#x}")


def _mask(line: str) -> int:
    found = re.search(rf"^{line}:\s+([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1], 16) if found else 0
