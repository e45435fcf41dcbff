"""The filters of system calls, each tried in a process of its own."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the filters are for x86_64")

#: Prints what each call says under a filter: its errno, 0 when it was done.
TRY = """
import ctypes, os, socket, sys, threading
from gosonde_agent.host import seccomp
libc = ctypes.CDLL(None, use_errno=True)
byte = ctypes.create_string_buffer(256)
NUMBERS = {"ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "perf_event_open": 298, "mount": 165,
           "unshare": 272, "setns": 308, "init_module": 175, "kexec_load": 246, "io_uring_setup": 425,
           "userfaultfd": 323, "keyctl": 250, "setuid": 105, "capset": 126, "pidfd_getfd": 438,
           "open_by_handle_at": 304, "clone3": 435, "fork": 57, "vfork": 58, "kill": 62, "connect": 42,
           "sendto": 44, "unlink": 87, "execveat": 322}

def call(number, *arguments):
    return 0 if libc.syscall(number, *arguments) >= 0 else ctypes.get_errno()

def outcome(work):
    try:
        work()
    except OSError as error:
        return error.errno
    return 0

def thread():
    one = threading.Thread(target=int)
    try:
        one.start()
    except RuntimeError:
        raise PermissionError(1, "no thread")
    one.join()

def main(name, wanted):
    seccomp.install(getattr(seccomp, name))
    tried = {
        "execve": lambda: outcome(lambda: os.execv("/bin/true", ["true"])),
        "netlink": lambda: outcome(lambda: socket.socket(16, 2)),
        "unix": lambda: outcome(lambda: socket.socket(1, 1)),
        "inet": lambda: outcome(lambda: socket.socket(2, 1)),
        "namespace": lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0),
        "read_file": lambda: outcome(lambda: os.close(os.open("/proc/self/status", os.O_RDONLY))),
        "write_file": lambda: outcome(lambda: os.close(os.open("/dev/null", os.O_WRONLY))),
        "make_file": lambda: outcome(lambda: os.close(os.open("/tmp/x", os.O_RDONLY | os.O_CREAT))),
        "map_create": lambda: call(321, 0, byte, 72),
        "program_load": lambda: call(321, 5, byte, 72),
        "map_lookup": lambda: call(321, 1, byte, 72),
        "link_create": lambda: call(321, 28, byte, 72),
        "x32": lambda: call(0x40000000 | 39),
        "thread": lambda: outcome(thread),
        "ptrace_look": lambda: call(101, 0x4206, 0, 0, 0),
        "ptrace_write": lambda: call(101, 5, 0, 0, 0),
    }
    for what in wanted:
        print(what, tried[what]() if what in tried else call(NUMBERS[what], 0, 0, 0, 0, 0, 0), flush=True)

main(sys.argv[1], sys.argv[2:])
"""
EPERM, ENOSYS = 1, 38


def outcomes(name: str, *calls: str) -> dict[str, int]:
    """The errno of each call under a filter; 0 when it was done."""
    command = [sys.executable, "-c", TRY, name, *calls]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {what: int(number) for what, number in (line.split() for line in done.stdout.splitlines())}


DANGEROUS = (
    *(
        "execve",
        "execveat",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "mount",
        "unshare",
        "setns",
        "init_module",
    ),
    *("kexec_load", "io_uring_setup", "userfaultfd", "keyctl", "setuid", "capset", "pidfd_getfd", "open_by_handle_at"),
    *("netlink", "namespace", "map_create", "program_load", "x32"),
)


@pytest.mark.parametrize("name", ["AGENT", "HELPER"])
def test_what_an_attacker_would_want_is_refused_to_both(name: str) -> None:
    assert outcomes(name, *DANGEROUS) == dict.fromkeys(DANGEROUS, EPERM)


def test_the_agent_may_not_open_probes_and_does_what_it_needs() -> None:
    refused = outcomes("AGENT", "perf_event_open", "link_create", "clone3")
    assert refused == {"perf_event_open": EPERM, "link_create": EPERM, "clone3": ENOSYS}
    done = ("unix", "inet", "read_file", "write_file")
    assert outcomes("AGENT", *done) == dict.fromkeys(done, 0)
    assert outcomes("AGENT", "map_lookup")["map_lookup"] != EPERM


def test_the_helper_makes_no_process_and_no_socket_and_writes_no_file() -> None:
    refused = (
        "unix",
        "inet",
        "write_file",
        "make_file",
        "fork",
        "vfork",
        "kill",
        "connect",
        "sendto",
        "unlink",
    )
    assert outcomes("HELPER", *refused) == dict.fromkeys(refused, EPERM)
    assert outcomes("HELPER", "read_file", "map_lookup") == {"read_file": 0, "map_lookup": EPERM}
    assert outcomes("HELPER", "perf_event_open")["perf_event_open"] != EPERM


def test_the_helper_may_look_at_threads_and_write_to_none_and_makes_threads_of_its_own_alone() -> None:
    found = outcomes("HELPER", "thread", "ptrace_look", "ptrace_write", "namespace", "clone3")
    assert found["ptrace_look"] not in (0, EPERM)
    assert {**found, "ptrace_look": 0} == {
        "thread": 0,
        "ptrace_look": 0,
        "ptrace_write": EPERM,
        "namespace": EPERM,
        "clone3": ENOSYS,
    }
