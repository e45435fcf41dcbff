"""Filters of system calls (seccomp) for the agent and its helper: classic BPF programs, given to the kernel for good.

The agent runs a great deal of code, so its filter names what an attacker would want and it never needs. The helper runs
little, so its filter names what it needs. What is refused gets EPERM.
"""

import ctypes
import os
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from gosonde_agent.model.errors import NotPermittedError

PR_SET_NO_NEW_PRIVS = 38
#: seccomp(2), its operation, and its flag for every thread.
NR_SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 317, 1, 1
AUDIT_ARCH_X86_64 = 0xC000003E
#: Of struct seccomp_data; of an argument the lower half is compared.
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
#: Calls from here on are of x32.
X32 = 0x40000000
EPERM, ENOSYS = 1, 38
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
#: BPF_LD | BPF_W | BPF_ABS; BPF_JMP with | BPF_K: JEQ, JGE, JSET; BPF_RET | BPF_K.
LOAD, IF_EQUAL, IF_AT_LEAST, IF_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
INSTRUCTION = struct.Struct("<HBBI")

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
#: Commands of bpf(2): on a map whose descriptor is there, and BPF_OBJ_GET_INFO_BY_FD; and what attaches a program.
ON_MAPS, ATTACHING = (1, 2, 3, 4, 15, 24, 27), (17, 28)
#: ioctl(2): FIONCLEX, FIOCLEX.
ON_DESCRIPTORS = (0x5450, 0x5451)
#: The CLONE_NEW* of clone(2), and its CLONE_THREAD.
NAMESPACES, CLONE_THREAD = 0x7E020000, 0x00010000
#: Requests of ptrace(2): GETREGS, DETACH, SEIZE, INTERRUPT. None of them writes.
LOOKING = (12, 17, 0x4206, 0x4207)
#: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, and of O_TMPFILE what is not O_DIRECTORY.
WRITING = 0x1 | 0x2 | 0x40 | 0x200 | 0x400000
#: Of asm/unistd_64.h.
NUMBERS_TEXT = """
read=0 write=1 open=2 close=3 stat=4 fstat=5 lstat=6 poll=7 lseek=8 mmap=9 mprotect=10 munmap=11 brk=12
rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15 ioctl=16 pread64=17 readv=19 writev=20 access=21 select=23
sched_yield=24 mremap=25 madvise=28 dup=32 nanosleep=35 getpid=39 socket=41 sendmsg=46 recvmsg=47 getsockopt=55
clone=56 execve=59 exit=60 uname=63 fcntl=72 creat=85 readlink=89 gettimeofday=96 sysinfo=99 ptrace=101
getuid=102 syslog=103 getgid=104 setuid=105 setgid=106 geteuid=107 getegid=108 getppid=110 setreuid=113
setregid=114 setgroups=116 setresuid=117 setresgid=119 setfsuid=122 setfsgid=123 capset=126 sigaltstack=131
mknod=133 personality=135 vhangup=153 modify_ldt=154 pivot_root=155 adjtimex=159 chroot=161 acct=163
settimeofday=164 mount=165 umount2=166 swapon=167 swapoff=168 reboot=169 sethostname=170 setdomainname=171
iopl=172 ioperm=173 init_module=175 delete_module=176 quotactl=179 gettid=186 futex=202 sched_getaffinity=204
lookup_dcookie=212 getdents64=217 restart_syscall=219 clock_settime=227 clock_gettime=228 clock_nanosleep=230
exit_group=231 mbind=237 set_mempolicy=238 kexec_load=246 waitid=247 add_key=248 request_key=249 keyctl=250
migrate_pages=256 openat=257 mknodat=259 newfstatat=262 readlinkat=267 faccessat=269 pselect6=270 ppoll=271
unshare=272 set_robust_list=273 move_pages=279 perf_event_open=298 fanotify_init=300 prlimit64=302
name_to_handle_at=303 open_by_handle_at=304 clock_adjtime=305 setns=308 process_vm_readv=310
process_vm_writev=311 kcmp=312 finit_module=313 getrandom=318 kexec_file_load=320 bpf=321 execveat=322
userfaultfd=323 statx=332 rseq=334 io_uring_setup=425 io_uring_enter=426 io_uring_register=427 open_tree=428
move_mount=429 fsopen=430 fsconfig=431 fsmount=432 fspick=433 clone3=435 pidfd_getfd=438 faccessat2=439
process_madvise=440 mount_setattr=442 quotactl_fd=443 process_mrelease=448
"""
NUMBERS: Mapping[str, int] = {name: int(number) for name, number in (item.split("=") for item in NUMBERS_TEXT.split())}
NEVER_BY_AGENT = """
execve execveat ptrace process_vm_readv process_vm_writev process_madvise process_mrelease perf_event_open kcmp
pidfd_getfd userfaultfd io_uring_setup io_uring_enter io_uring_register mount umount2 pivot_root chroot
move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr swapon swapoff unshare setns init_module
finit_module delete_module kexec_load kexec_file_load reboot settimeofday clock_settime adjtimex clock_adjtime
acct quotactl quotactl_fd sethostname setdomainname syslog iopl ioperm personality add_key request_key keyctl
open_by_handle_at name_to_handle_at lookup_dcookie fanotify_init vhangup setuid setgid setreuid setregid
setresuid setresgid setgroups setfsuid setfsgid capset mknod mknodat modify_ldt migrate_pages move_pages mbind
set_mempolicy
"""
ALWAYS_BY_HELPER = """
read write close fstat stat lstat newfstatat statx lseek mmap mprotect munmap mremap brk madvise rt_sigaction
rt_sigprocmask rt_sigreturn sigaltstack pread64 readv writev dup access faccessat faccessat2 readlink
readlinkat getdents64 fcntl getpid gettid getppid getuid geteuid getgid getegid sched_getaffinity sched_yield
exit exit_group waitid futex clock_gettime clock_nanosleep nanosleep restart_syscall gettimeofday poll ppoll select
pselect6 recvmsg sendmsg getsockopt perf_event_open getrandom prlimit64 sysinfo uname rseq set_robust_list
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter.

    Attributes:
        listed: Calls that are allowed always, or (`denies`) never.
        one_of: Calls that are allowed while an argument, by its place, has one of these values.
        no_bit: Calls that are allowed while an argument has none of these bits.
        absent: Calls that the kernel is to seem not to know, so that libraries take an older one.
        threads: Whether clone(2) is allowed for a thread of this process, and only for that.
        denies: Whether what is not mentioned is allowed.
    """

    listed: tuple[str, ...]
    one_of: Mapping[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    no_bit: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    threads: bool = False
    denies: bool = False

    def program(self) -> bytes:
        """The instructions, as the kernel wants them."""
        rest, named = (ALLOW, ERRNO | EPERM) if self.denies else (ERRNO | EPERM, ALLOW)
        code = [(LOAD, 0, 0, ARCHITECTURE_AT), (IF_EQUAL, 1, 0, AUDIT_ARCH_X86_64), (RETURN, 0, 0, KILL_PROCESS)]
        code += [(LOAD, 0, 0, NUMBER_AT), (IF_AT_LEAST, 0, 1, X32), (RETURN, 0, 0, ERRNO | EPERM)]
        for name in self.listed:
            code += [(IF_EQUAL, 0, 1, NUMBERS[name]), (RETURN, 0, 0, named)]
        for name in self.absent:
            code += [(IF_EQUAL, 0, 1, NUMBERS[name]), (RETURN, 0, 0, ERRNO | ENOSYS)]
        for name, (place, values) in self.one_of.items():
            tests = [(IF_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
            code += _when(name, place, [*tests, (RETURN, 0, 0, ERRNO | EPERM), (RETURN, 0, 0, ALLOW)])
        for name, (place, bits) in self.no_bit.items():
            tests = [(IF_ANY_BIT, 0, 1, bits), (RETURN, 0, 0, ERRNO | EPERM), (RETURN, 0, 0, ALLOW)]
            code += _when(name, place, tests)
        if self.threads:
            tests = [(IF_ANY_BIT, 1, 0, NAMESPACES), (IF_ANY_BIT, 1, 0, CLONE_THREAD)]
            code += _when("clone", 0, [*tests, (RETURN, 0, 0, ERRNO | EPERM), (RETURN, 0, 0, ALLOW)])
        return b"".join(INSTRUCTION.pack(*instruction) for instruction in (*code, (RETURN, 0, 0, rest)))


def _when(name: str, place: int, tests: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Tests of an argument, for one call."""
    return [(IF_EQUAL, 0, len(tests) + 1, NUMBERS[name]), (LOAD, 0, 0, ARGUMENTS_AT + 8 * place), *tests]


#: What the agent runs under: no other program, no look into other processes, no namespace, no module, no other user.
AGENT = Filter(
    listed=tuple(NEVER_BY_AGENT.split()),
    one_of={"bpf": (0, ON_MAPS), "socket": (0, (AF_UNIX, AF_INET, AF_INET6))},
    no_bit={"clone": (0, NAMESPACES)},
    absent=("clone3",),
    denies=True,
)
#: What the helper runs under: it opens nothing for writing, makes no socket, no process, and loads no program.
HELPER = Filter(
    listed=tuple(ALWAYS_BY_HELPER.split()),
    one_of={"bpf": (0, ATTACHING), "ioctl": (1, ON_DESCRIPTORS), "ptrace": (0, LOOKING)},
    no_bit={"open": (1, WRITING), "openat": (2, WRITING)},
    absent=("clone3",),
    threads=True,
)


def install(calls: Filter) -> None:
    """Puts every thread of this process under a filter, for good; where the processor is not x86_64, there is none.

    Raises:
        NotPermittedError: The kernel refuses.
    """
    if platform.machine() != "x86_64":
        return
    program = calls.program()
    code = ctypes.create_string_buffer(program, len(program))
    sock_fprog = struct.pack("<H6xQ", len(program) // INSTRUCTION.size, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    wanted = SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ctypes.create_string_buffer(sock_fprog, 16)
    if libc.syscall(NR_SECCOMP, *wanted):
        raise NotPermittedError(f"cannot filter system calls: {os.strerror(ctypes.get_errno())}")
