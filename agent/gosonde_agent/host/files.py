"""What the kernel itself knows of a file, without a question to the file's own system: a dead one answers never."""

import ctypes
import os
import struct
from dataclasses import dataclass

from gosonde_agent.model.errors import UnreadableFileError

AT_EMPTY_PATH = 0x1000
AT_STATX_DONT_SYNC = 0x4000
STATX_BASIC_STATS = 0x7FF
STATX_BYTES = 256
#: Of struct statx: links, owner at 16; inode, size at 32; changed at 96; modified at 112; device at 136.
LINKS_OWNER, INODE_SIZE, TIME, DEVICE = (
    struct.Struct("<II"),
    struct.Struct("<QQ"),
    struct.Struct("<qI"),
    struct.Struct("<II"),
)

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What is known of a file: times are ns since the Unix epoch, `links` is 0 for a file that was deleted."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    links: int
    owner: int


def status(fd: int) -> FileStatus:
    """What the kernel knows of an open file, also of one that was opened with O_PATH.

    Raises:
        UnreadableFileError: It knows nothing.
    """
    answer = ctypes.create_string_buffer(STATX_BYTES)
    if _libc.statx(fd, b"", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, answer):
        raise UnreadableFileError(f"an executable cannot be examined: {os.strerror(ctypes.get_errno())}")
    links, owner = LINKS_OWNER.unpack_from(answer, 16)
    inode, size = INODE_SIZE.unpack_from(answer, 32)
    changed, modified = (_nanoseconds(answer, offset) for offset in (96, 112))
    return FileStatus(os.makedev(*DEVICE.unpack_from(answer, 136)), inode, size, modified, changed, links, owner)


def _nanoseconds(answer: ctypes.Array[ctypes.c_char], offset: int) -> int:
    seconds, nanoseconds = TIME.unpack_from(answer, offset)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
