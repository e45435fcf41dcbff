"""What this host allows, found out by trying: what `gosonde doctor` shows."""

import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gosonde_agent.host import bpf, oldest_kernel, trials
from gosonde_agent.host.kernel import kernel_version

NOP5_KERNEL = (6, 18)

#: What is said of the machines that gosonde runs on; docs/binaries.md lists what there is on x86_64 alone.
MACHINES = {
    "x86_64": "x86_64",
    "aarch64": "aarch64; sampling by perf events and breakpoints by ptrace are for x86_64 alone",
}

#: Bits of the capability sets in /proc/PID/status.
CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19, "CAP_PERFMON": 38, "CAP_BPF": 39}
CAP_SYS_ADMIN = 21
#: What CAP_SYS_ADMIN includes.
WITHIN_SYS_ADMIN = frozenset({"CAP_PERFMON", "CAP_BPF"})

HOW_TO_GET_CAPABILITIES = (
    "run as root (sudo), or as a systemd service with AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_SYS_PTRACE "
    "CAP_DAC_READ_SEARCH CAP_LEASE CAP_SYS_ADMIN, as the shipped gosonde-helper@.service is"
)
#: Linux 6.16 took CAP_PERFMON's word for uprobes by perf events back, and stable kernels followed.
UPROBES_WANT_SYS_ADMIN = "add CAP_SYS_ADMIN: CAP_PERFMON alone does not suffice for uprobes on this kernel"
SOMETHING_ELSE_REFUSES = (
    "the capabilities are there, so something else refuses: in a container, allow bpf, perf_event_open and seccomp "
    "in its seccomp profile"
)


#: What the agent does without: it places no probes then, and sees fewer processes where others' may not be read.
FOR_PROBES = frozenset({"capabilities", "lockdown", "bpf", "ring_buffer", "uprobes", "tracepoints", "bcc"})


class Status(StrEnum):
    """How a thing that the agent uses is here."""

    OK = "ok"
    DEGRADED = "degraded"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the agent uses.

    Attributes:
        name: A stable key.
        status: MISSING when the agent cannot work without what is not there, or not with probes: see FOR_PROBES.
        found: What was seen, in one sentence.
        remedy: What to do about it; empty when the status is OK.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""


def checks(*, are_compiled: bool = False) -> tuple[Check, ...]:
    """Everything that the agent needs or profits from, in the order in which to repair it.

    Args:
        are_compiled: Whether compiled probes come with the package, so that nothing needs bcc.
    """
    return tuple(_no_bcc() if are_compiled and check is _bcc else check() for check in CHECKS)


def ready(found: Sequence[Check]) -> bool:
    """Whether the agent can work with all that it has."""
    return all(check.status is not Status.MISSING for check in found)


def level(found: Sequence[Check]) -> str:
    """With what the agent can work: "full", "memory" where it can place no probes, or "" where it can do nothing."""
    missing = {check.name for check in found if check.status is Status.MISSING}
    if missing - FOR_PROBES:
        return ""
    return "memory" if missing else "full"


def _architecture() -> Check:
    machine = platform.machine()
    if found := MACHINES.get(machine):
        return Check("architecture", Status.OK, found)
    remedy = "use a host with x86_64 (amd64) or aarch64 (arm64)"
    return Check("architecture", Status.MISSING, f"{machine} is not supported", remedy)


def _kernel() -> Check:
    found = oldest_kernel.found()
    if oldest_kernel.is_too_old():
        return Check("kernel", Status.MISSING, found, oldest_kernel.WHAT_TO_USE)
    return Check("kernel", Status.OK, found)


def _capabilities() -> Check:
    if absent := sorted(CAPABILITIES.keys() - held()):
        return Check("capabilities", Status.MISSING, f"without {', '.join(absent)}", HOW_TO_GET_CAPABILITIES)
    return Check("capabilities", Status.OK, ", ".join(sorted(CAPABILITIES)))


def held() -> set[str]:
    """Those of CAPABILITIES that this process has."""
    bits = _effective_capabilities()
    admin = WITHIN_SYS_ADMIN if bits >> CAP_SYS_ADMIN & 1 else frozenset[str]()
    return {name for name, bit in CAPABILITIES.items() if bits >> bit & 1 or name in admin}


def _effective_capabilities() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))


def _lockdown() -> Check:
    path = Path("/sys/kernel/security/lockdown")
    try:
        text = path.read_text().strip()
    except OSError:
        return Check("lockdown", Status.OK, "the kernel has no lockdown mode, or does not show it")
    if "[confidentiality]" in text:
        remedy = "boot with lockdown=integrity or lockdown=none: confidentiality forbids BPF to read memory"
        return Check("lockdown", Status.MISSING, text, remedy)
    return Check("lockdown", Status.OK, text)


def _tried(name: str, trial: Callable[[], None], done: str, remedy: str) -> Check:
    try:
        trial()
    except PermissionError as error:
        return Check(name, Status.MISSING, f"refused: {error.strerror}", _permission_remedy(name))
    except (OSError, ValueError) as error:
        return Check(name, Status.MISSING, f"does not work: {error}", remedy)
    return Check(name, Status.OK, done)


def _permission_remedy(name: str) -> str:
    if CAPABILITIES.keys() - held():
        return HOW_TO_GET_CAPABILITIES
    if name == "uprobes" and not _effective_capabilities() >> CAP_SYS_ADMIN & 1:
        return UPROBES_WANT_SYS_ADMIN
    return SOMETHING_ELSE_REFUSES


def _bpf() -> Check:
    remedy = "use a kernel with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS"
    return _tried("bpf", trials.program, "a program was loaded and a map made", remedy)


def _ring_buffer() -> Check:
    check = _tried("ring_buffer", trials.ring_buffer, "a ring buffer was made", "use Linux 5.8 or newer")
    if check.status is Status.OK and not bpf.libbpf():
        return Check(check.name, Status.MISSING, "libbpf cannot be loaded, which reads it", "apt-get install libbpf1")
    return check


def _uprobes() -> Check:
    remedy = "use a kernel with CONFIG_UPROBE_EVENTS, and mount sysfs on /sys"
    return _tried("uprobes", trials.uprobe, "a uprobe was put on a file", remedy)


def _tracepoints() -> Check:
    remedy = "use a kernel with CONFIG_BPF_EVENTS and CONFIG_TRACEPOINTS"
    return _tried(
        "tracepoints", lambda: trials.raw_tracepoint("sched_process_exec"), "sched_process_exec was attached", remedy
    )


def _process_memory() -> Check:
    remedy = "mount proc on /proc, with the processes of the host"
    check = _tried("process_memory", trials.process_memory, "/proc/PID/mem of other processes can be opened", remedy)
    scope = _sysctl("kernel/yama/ptrace_scope")
    if check.status is Status.MISSING and scope == "3":
        return Check(check.name, check.status, check.found, "kernel.yama.ptrace_scope is 3: set it to 2, and reboot")
    if check.status is Status.MISSING and scope in ("absent", "0") and _reads_own():
        return Check(check.name, Status.DEGRADED, f"{check.found}; of this user's own it can be opened", check.remedy)
    return check


def _reads_own() -> bool:
    try:
        trials.process_memory(hides=False)
    except OSError:
        return False
    return True


def _bcc() -> Check:
    remedy = (
        "apt-get install python3-bpfcc, and run gosonde with the distribution's Python (a venv needs "
        "--system-site-packages); the package bcc on PyPI is another project"
    )
    # In a process of its own, which ends with bcc's LLVM; it looks for modules where this one does.
    code = f"import sys; sys.path[:] = {sys.path!r}; from bcc import BPF, __version__; print(__version__)"
    try:
        done = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        remedy = "try again when this host is less busy"
        return Check("bcc", Status.MISSING, "its import took more than 60 seconds", remedy)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return Check("bcc", Status.MISSING, f"cannot be imported: {reason}", remedy)
    return Check("bcc", Status.OK, done.stdout.strip())


def _no_bcc() -> Check:
    return Check("bcc", Status.OK, "not needed: this package brings the compiled probes")


def _btf() -> Check:
    if Path("/sys/kernel/btf/vmlinux").exists():
        return Check("btf", Status.OK, "the kernel describes its types (/sys/kernel/btf/vmlinux)")
    return Check("btf", Status.OK, "the kernel does not describe its types; gosonde does not need it")


def _nop5() -> Check:
    if platform.machine() != "x86_64":
        return Check("nop5", Status.DEGRADED, "every probe costs a trap", "nothing to do; only x86_64 has such probes")
    if kernel_version() >= NOP5_KERNEL:
        return Check("nop5", Status.OK, "the kernel can enter probes on a 5-byte nop without a trap")
    remedy = "nothing to do; Linux 6.18 and newer make some probes cheaper"
    return Check("nop5", Status.DEGRADED, "every probe costs a trap", remedy)


def _unprivileged() -> Check:
    values = {name: _sysctl(name) for name in ("kernel/unprivileged_bpf_disabled", "kernel/perf_event_paranoid")}
    text = ", ".join(f"{name.replace('/', '.')} = {value}" for name, value in values.items())
    if values["kernel/unprivileged_bpf_disabled"] == "0":
        remedy = "gosonde does not need it: set kernel.unprivileged_bpf_disabled to 2, so that only root uses BPF"
        return Check("unprivileged", Status.DEGRADED, text, remedy)
    return Check("unprivileged", Status.OK, f"{text}; gosonde depends on neither")


def _sysctl(name: str) -> str:
    try:
        return (Path("/proc/sys") / name).read_text().strip()
    except OSError:
        return "absent"


CHECKS: tuple[Callable[[], Check], ...] = (
    _architecture,
    _kernel,
    _capabilities,
    _lockdown,
    _bpf,
    _ring_buffer,
    _uprobes,
    _tracepoints,
    _process_memory,
    _bcc,
    _btf,
    _nop5,
    _unprivileged,
)
