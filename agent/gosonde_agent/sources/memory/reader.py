"""Batched process_vm_readv: many pieces of another process's memory in one system call, straight into numpy buffers."""

import ctypes
import errno
import os
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from gosonde_agent.model.errors import NoSuchProcessError, NotPermittedError, UnreadableFileError
from gosonde_agent.sources.memory.errors import TargetChangedError, UnreadableMemoryError

#: UIO_MAXIOV: pieces a call.
MAX_PIECES = 1_024
#: The most that one request may ask for, bytes.
MAX_BYTES = 256 << 20
#: Nothing in user space lies at or above it on amd64 and arm64.
ADDRESS_LIMIT = 1 << 56

_libc = ctypes.CDLL(None, use_errno=True)
_readv = _libc.process_vm_readv
_readv.restype = ctypes.c_ssize_t
_readv.argtypes = (
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_ulong,
)


class _Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class ProcessMemory:
    """The memory of one process image. Use it as a context manager.

    Raises:
        NoSuchProcessError: There is no such process.
        NotPermittedError: Privileges are missing.
        UnreadableFileError: It cannot be opened for another reason.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        # Stays bound to the address space that the process has now: after an exec it reads nothing.
        try:
            self._anchor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error
        except PermissionError as error:
            raise _not_permitted(pid) from error
        except OSError as error:
            raise UnreadableFileError(f"the memory of process {pid} cannot be opened: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._anchor)

    def check_same(self, known_address: int) -> None:
        """Proves that the process still has the address space it had at first; `known_address` must be mapped in it.

        Raises:
            TargetChangedError: It ended or ran another program.
        """
        try:
            same = len(os.pread(self._anchor, 1, known_address)) == 1
        except OSError:
            same = False
        if not same:
            raise TargetChangedError(f"process {self.pid} ended or ran another program while it was read: try again")

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at an address.

        Raises:
            UnreadableMemoryError: Not all of them are mapped, or they are more than MAX_BYTES, or a size is negative.
            NoSuchProcessError: The process has ended.
            NotPermittedError: Privileges are missing.
        """
        if not size:
            return b""
        if not 0 < size <= MAX_BYTES:
            raise _too_much(size, 1)
        if 0 < address < ADDRESS_LIMIT:
            # Most of what is read is a single word, for which numpy takes several times as long as the call itself.
            buffer = ctypes.create_string_buffer(size)
            local, remote = _Piece(ctypes.addressof(buffer), size), _Piece(address, size)
            got = _readv(self.pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
            if got == size:
                return buffer.raw
            if got < 0:
                self._raise_unless_fault(ctypes.get_errno())
        raise UnreadableMemoryError(f"process {self.pid} has no {size} readable bytes at {address:#x}")

    def read_each(
        self, addresses: npt.NDArray[np.uint64], size: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """(uint8[n, size], bool[n]): `size` bytes at each address; zeros and False where they are not all mapped.

        Raises:
            NoSuchProcessError: The process has ended.
            NotPermittedError: Privileges are missing.
        """
        buffer, whole = self.read_pieces(addresses, np.full(len(addresses), size, np.int64))
        return buffer.reshape(len(addresses), size), whole

    def read_pieces(
        self, addresses: npt.NDArray[np.uint64], sizes: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """(uint8[sum(sizes)], bool[n]): the pieces one behind the other; zeros and False for one not all mapped.

        Raises:
            UnreadableMemoryError: The request is larger than MAX_BYTES in all, or a size is negative.
            NoSuchProcessError: The process has ended.
            NotPermittedError: Privileges are missing.
        """
        total = int(sizes.sum()) if len(sizes) else 0
        if total > MAX_BYTES or (len(sizes) and (int(sizes.min()) < 0 or int(sizes.max()) > MAX_BYTES)):
            raise _too_much(total, len(sizes))
        buffer = np.zeros(total, np.uint8)
        ends = np.cumsum(sizes)
        starts = ends - sizes
        whole = np.zeros(len(addresses), np.bool_)
        possible = (addresses != 0) & (addresses < np.uint64(ADDRESS_LIMIT)) & (sizes > 0)
        whole[sizes == 0] = True
        wanted = np.flatnonzero(possible)
        remote = np.empty((len(wanted), 2), np.uint64)
        remote[:, 0] = addresses[wanted]
        remote[:, 1] = sizes[wanted]
        local = np.empty_like(remote)
        local[:, 0] = np.uint64(buffer.ctypes.data) + starts[wanted].astype(np.uint64)
        local[:, 1] = sizes[wanted]
        position = 0
        while position < len(wanted):
            chunk = slice(position, position + MAX_PIECES)
            done, failed = self._one_call(local[chunk], remote[chunk])
            whole[wanted[position : position + done]] = True
            position += done
            if failed:
                start, size = int(starts[wanted[position]]), int(sizes[wanted[position]])
                buffer[start : start + size] = 0
                position += 1
        return buffer, whole

    def _one_call(self, local: npt.NDArray[np.uint64], remote: npt.NDArray[np.uint64]) -> tuple[int, bool]:
        """(pieces read whole, whether the next one cannot be read)."""
        pieces = len(remote)
        got = _readv(self.pid, local.ctypes.data, pieces, remote.ctypes.data, pieces, 0)
        if got < 0:
            self._raise_unless_fault(ctypes.get_errno())
            got = 0
        reached = np.cumsum(remote[:, 1])
        done = int(np.searchsorted(reached, np.uint64(got), "right"))
        return done, done < pieces

    def _raise_unless_fault(self, code: int) -> None:
        if code == errno.ESRCH:
            raise NoSuchProcessError(f"process {self.pid} has ended")
        if code == errno.EPERM:
            raise _not_permitted(self.pid)
        if code != errno.EFAULT:
            raise UnreadableMemoryError(f"process_vm_readv of process {self.pid} failed: {os.strerror(code)}")


def _too_much(total: int, pieces: int) -> UnreadableMemoryError:
    return UnreadableMemoryError(f"{total} bytes asked for in {pieces} pieces, at most {MAX_BYTES} are read")


def _not_permitted(pid: int) -> NotPermittedError:
    return NotPermittedError(
        f"the memory of process {pid} may not be read: run as root or with CAP_SYS_PTRACE, "
        "and see kernel.yama.ptrace_scope"
    )
