"""bpf(2): the call itself, its errors, and making maps and programs. It is imported before the rest of the agent."""

import contextlib
import ctypes
import errno
import os
import platform
import struct

from gosonde_agent.host import syscall_numbers
from gosonde_agent.model.errors import NotPermittedError, ProbeError

_libc = ctypes.CDLL(None, use_errno=True)

BPF_MAP_CREATE = 0
BPF_PROG_LOAD = 5
BPF_OBJ_GET_INFO_BY_FD = 15
BPF_PROG_TYPE_KPROBE = 2
BPF_TRACE_UPROBE_MULTI = 48

#: Names of libbpf, the newest first.
LIBBPF = ("libbpf.so.1", "libbpf.so.0")
#: Of a name, without the 0 behind it (BPF_OBJ_NAME_LEN).
NAME_BYTES = 15
#: Of struct bpf_map_info: type, id, key_size, value_size, max_entries, map_flags.
_MAP_INFO = "<6I"
LICENSE = b"Dual BSD/GPL"
#: Of what the verifier says, and how many of its last lines an error quotes.
_LOG_BYTES, _QUOTED_LINES = 1 << 18, 5


def call(command: int, attributes: ctypes.Array[ctypes.c_char]) -> int:
    """What the system call returns; negative when it failed, and then the errno is ctypes.get_errno()."""
    result: int = _libc.syscall(syscall_numbers.BPF[platform.machine()], command, attributes, ctypes.sizeof(attributes))
    return result


def attributes(layout: str, *values: int | bytes) -> ctypes.Array[ctypes.c_char]:
    """A union bpf_attr: the values as `struct` packs them, and zeros."""
    return ctypes.create_string_buffer(struct.pack(layout, *values), 128)


def refusal(what: str, number: int) -> NotPermittedError | ProbeError:
    """The typed error for an errno, with what to do."""
    if number in (errno.EPERM, errno.EACCES):
        return NotPermittedError(
            f"{what}: not permitted. Run as root, or with CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and "
            "CAP_DAC_READ_SEARCH (some kernels require CAP_SYS_ADMIN); `gosonde doctor` says what is missing"
        )
    return ProbeError(f"{what}: {os.strerror(number)} (errno {number})")


def libbpf() -> ctypes.CDLL | None:
    """The distribution's libbpf, where it is installed."""
    for name in LIBBPF:
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name, use_errno=True)
    return None


def map_shape(map_fd: int) -> tuple[int, int, int, int, int]:
    """Type, bytes of a key, bytes of a value, most elements and flags of a map."""
    info = ctypes.create_string_buffer(struct.calcsize(_MAP_INFO))
    if call(BPF_OBJ_GET_INFO_BY_FD, attributes("<IIQ", map_fd, len(info), ctypes.addressof(info))) < 0:
        raise refusal("reading the layout of a BPF map", ctypes.get_errno())
    kind, _, key_size, value_size, entries, flags = struct.unpack(_MAP_INFO, info.raw)
    return kind, key_size, value_size, entries, flags


def create_map(name: str, shape: tuple[int, int, int, int, int]) -> int:
    """The descriptor of a new map that has the shape; see `map_shape`.

    Raises:
        NotPermittedError: Privileges are missing.
        ProbeError: The kernel makes no such map.
    """
    fd = call(BPF_MAP_CREATE, attributes("<5I8x16s", *shape, name.encode()[:NAME_BYTES]))
    if fd < 0:
        raise refusal(f"creating the BPF map {name}", ctypes.get_errno())
    return fd


def load_program(name: str, kind: int, code: bytes, attach_type: int = 0) -> int:
    """The descriptor of a program, loaded.

    Args:
        name: The program's, of which the kernel keeps NAME_BYTES.
        kind: The kernel's enum bpf_prog_type.
        code: Its instructions.
        attach_type: The kernel's enum bpf_attach_type, where the kind has several.

    Raises:
        NotPermittedError: Privileges are missing.
        ProbeError: The verifier refused it; the message ends with the last that it said.
    """
    what = f"loading the probe {name}"
    fd = _load(name, kind, code, attach_type, None)
    if fd >= 0:
        return fd
    if ctypes.get_errno() == errno.EPERM:
        raise refusal(what, errno.EPERM)
    log = ctypes.create_string_buffer(_LOG_BYTES)
    fd = _load(name, kind, code, attach_type, log)
    if fd >= 0:
        return fd
    # The verifier says EACCES of what a program may not do, whoever loads it.
    reason, said = os.strerror(ctypes.get_errno()), log.value.decode(errors="replace").strip().splitlines()
    raise ProbeError(f"{what}: {reason}; the verifier said: {' | '.join(said[-_QUOTED_LINES:]) or 'nothing'}")


def _load(name: str, kind: int, code: bytes, attach_type: int, log: ctypes.Array[ctypes.c_char] | None) -> int:
    instructions = ctypes.create_string_buffer(code, len(code))
    license_name = ctypes.create_string_buffer(LICENSE)
    return call(
        BPF_PROG_LOAD,
        attributes(
            "<IIQQIIQII16sII",
            *(kind, len(code) // 8, ctypes.addressof(instructions), ctypes.addressof(license_name)),
            *(1, len(log), ctypes.addressof(log)) if log else (0, 0, 0),
            *(0, 0, name.encode()[:NAME_BYTES], 0, attach_type),
        ),
    )
