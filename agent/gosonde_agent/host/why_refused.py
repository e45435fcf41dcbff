"""Why the kernel does not let this process look into another: which setting or which privilege it is."""

import os
import re
from pathlib import Path

#: Bits of the capability sets in /proc/PID/status.
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE = 1, 2, 19
OTHERS, NO_DAC = "it is a process of user {}", "CAP_DAC_READ_SEARCH is missing"
SECURITY_MODULE = (
    "this process has the capabilities, so a security module (SELinux, AppArmor, a BPF program) forbids it: allow it "
    "there"
)
OTHER_NAMESPACE = (
    "it is in another user namespace, where this process has no capabilities: run gosonde in the user namespace of the "
    "host"
)
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")


def why_refused(pid: int) -> str:
    """What forbids it, and what to do; a clause that a colon may precede. `pid` is refused to this process."""
    is_elsewhere = _text(Path("/proc/self/uid_map")) != _text(Path(f"/proc/{pid}/uid_map"))
    return reason(_status("self"), _status(pid), _text(YAMA).strip(), is_elsewhere=is_elsewhere)


def reason(own: str, other: str, scope: str, *, is_elsewhere: bool = False) -> str:
    """As `why_refused`, from the texts of both processes' /proc/PID/status and of the sysctl, empty where it is not.

    Args:
        is_elsewhere: Whether users are numbered otherwise where the other process lives.
    """
    held, user, others = int(_field(own, "CapEff") or "0", 16), _user(own), _user(other)
    if scope == "3":
        return "kernel.yama.ptrace_scope is 3, which forbids it to everyone: set it to 2, and reboot"
    if held >> CAP_SYS_PTRACE & 1:
        reads_files = user == others or held & (1 << CAP_DAC_READ_SEARCH | 1 << CAP_DAC_OVERRIDE)
        allowed = OTHER_NAMESPACE if is_elsewhere else SECURITY_MODULE
        return allowed if reads_files else f"{OTHERS.format(others)}, and {NO_DAC}"
    if scope == "2":
        return "kernel.yama.ptrace_scope is 2: run as root, or with CAP_SYS_PTRACE"
    if user != others:
        return f"{OTHERS.format(others)}: run as that user, or as root"
    if scope == "1":
        return "kernel.yama.ptrace_scope is 1: run as root, or set it to 0; otherwise only parents of the process may"
    return (
        "it is protected even from its own user (PR_SET_DUMPABLE, an executable that may not be read, or privileges "
        "that this user lacks): run as root"
    )


def _user(status: str) -> str:
    return (_field(status, "Uid").split() or ["?"])[0]


def _field(status: str, name: str) -> str:
    found = re.search(rf"^{name}:[ \t]*(.*)$", status, re.MULTILINE)
    return found[1] if found else ""


def _status(pid: int | str) -> str:
    return _text(Path(f"/proc/{pid}/status"))


def _text(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes())
    except OSError:
        return ""
