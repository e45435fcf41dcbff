"""Reads another process's memory through /proc/PID/mem: pieces that lie close together with one system call.

The kernel asks for privileges when that file is opened, not when it is read. So the agent, which has none, reads what
its helper opened, and what it reads is of one address space: after an exec there is nothing to read any more.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from gosonde_agent.host import access
from gosonde_agent.model.errors import NoSuchProcessError, UnreadableFileError
from gosonde_agent.sources.memory.errors import TargetChangedError, UnreadableMemoryError

#: The most that one request may ask for, bytes.
MAX_BYTES = 256 << 20
#: Nothing in user space lies at or above it on amd64 and arm64.
ADDRESS_LIMIT = 1 << 56
#: Pieces that begin within so many bytes of the first are read with it, unless a page without any lies between.
RUN_BYTES = 1 << 20
PAGE = 4_096

I64 = npt.NDArray[np.int64]


class ProcessMemory:
    """The memory of one process image. Use it as a context manager.

    Raises:
        NoSuchProcessError: There is no such process.
        NotPermittedError: Privileges are missing.
        RefusedError: The helper does not open it: it is no Go program's.
        UnreadableFileError: It cannot be opened for another reason.
    """

    def __init__(self, pid: int, fd: int | None = None) -> None:
        """`fd` is its memory where that is open already; it is closed here."""
        self.pid = pid
        # Stays bound to the address space that the process has now: after an exec it reads nothing.
        self._fd = access.current().memory(pid) if fd is None else fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is read any more."""
        os.close(self._fd)

    def kept(self) -> "ProcessMemory":
        """The same address space, for longer than this is open; close it.

        Raises:
            UnreadableFileError: No further file can be open.
        """
        try:
            return ProcessMemory(self.pid, os.dup(self._fd))
        except OSError as error:
            message = f"the memory of process {self.pid} cannot be kept open: {error.strerror}"
            raise UnreadableFileError(message) from error

    def check_same(self, known_address: int) -> None:
        """Proves that the process still has the address space it had at first; `known_address` must be mapped in it.

        Raises:
            TargetChangedError: It ended or ran another program.
        """
        try:
            same = len(os.pread(self._fd, 1, known_address)) == 1
        except OSError:
            same = False
        if not same:
            raise TargetChangedError(f"process {self.pid} ended or ran another program while it was read: try again")

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at an address.

        Raises:
            UnreadableMemoryError: Not all of them are mapped, or they are more than MAX_BYTES, or a size is negative.
            NoSuchProcessError: The process has ended, or runs another program.
        """
        if not size:
            return b""
        if not 0 < size <= MAX_BYTES:
            raise _too_much(size, 1)
        if 0 < address < ADDRESS_LIMIT:
            data = self._mapped(address, size)
            if len(data) == size:
                return data
        raise UnreadableMemoryError(f"process {self.pid} has no {size} readable bytes at {address:#x}")

    def read_into(self, address: int, into: memoryview) -> bool:
        """Fills `into` with what is at an address; whether all of it is mapped. What is left then is not defined.

        Raises:
            UnreadableMemoryError: Reading failed for another reason than that.
            NoSuchProcessError: The process has ended, or runs another program.
        """
        if not 0 < address < ADDRESS_LIMIT:
            return False
        while len(into):
            count = self._filled(address, into)
            if not count:
                return False
            address, into = address + count, into[count:]
        return True

    def read_each(
        self, addresses: npt.NDArray[np.uint64], size: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """(uint8[n, size], bool[n]): `size` bytes at each address; zeros and False where they are not all mapped.

        Raises:
            NoSuchProcessError: The process has ended, or runs another program.
        """
        buffer, whole = self.read_pieces(addresses, np.full(len(addresses), size, np.int64))
        return buffer.reshape(len(addresses), size), whole

    def read_pieces(
        self, addresses: npt.NDArray[np.uint64], sizes: I64
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """(uint8[sum(sizes)], bool[n]): the pieces one behind the other; zeros and False for one not all mapped.

        Raises:
            UnreadableMemoryError: The request is larger than MAX_BYTES in all, or a size is negative.
            NoSuchProcessError: The process has ended, or runs another program.
        """
        total = int(sizes.sum()) if len(sizes) else 0
        if total > MAX_BYTES or (len(sizes) and (int(sizes.min()) < 0 or int(sizes.max()) > MAX_BYTES)):
            raise _too_much(total, len(sizes))
        buffer = np.zeros(total, np.uint8)
        whole = sizes == 0
        possible = np.flatnonzero((addresses != 0) & (addresses < np.uint64(ADDRESS_LIMIT)) & (sizes > 0))
        wanted = possible[np.argsort(addresses[possible], kind="stable")]
        starts = addresses[wanted].astype(np.int64)
        ends, places = starts + sizes[wanted], (np.cumsum(sizes) - sizes)[wanted]
        whole[wanted] = True
        into = memoryview(buffer.data)
        pieces = list(zip(starts.tolist(), ends.tolist(), places.tolist(), strict=True))
        for first, last, end in runs(starts, ends):
            for index in self._read_run(pieces[first:last], end, into):
                whole[wanted[first + index]] = False
        return buffer, whole

    def _read_run(self, pieces: Sequence[tuple[int, int, int]], run_end: int, into: memoryview) -> list[int]:
        """Reads pieces that lie close together, (start, end, place), into their places; which are not all mapped."""
        base = pieces[0][0]
        data = self._mapped(base, run_end - base)
        known_end, missing = base + len(data), []
        for index, (start, end, place) in enumerate(pieces):
            if end <= known_end:
                into[place : place + end - start] = data[start - base : end - base]
            elif len(pieces) == 1 or self._read_run([(start, end, place)], end, into):
                missing.append(index)
        return missing

    def _filled(self, address: int, into: memoryview) -> int:
        """How many bytes were read; 0 where the first is not mapped."""
        try:
            count = os.preadv(self._fd, [into], address)
        except OSError as error:
            self._check_unmapped(error)
            return 0
        self._check_there(count)
        return count

    def _mapped(self, address: int, size: int) -> bytes:
        """What is mapped of so many bytes, up to the first that is not."""
        try:
            data = os.pread(self._fd, size, address)
        except OSError as error:
            self._check_unmapped(error)
            return b""
        self._check_there(len(data))
        return data

    def _check_unmapped(self, error: OSError) -> None:
        if error.errno != errno.EIO:
            message = f"reading the memory of process {self.pid} failed: {error.strerror}"
            raise UnreadableMemoryError(message) from error

    def _check_there(self, count: int) -> None:
        if not count:
            raise NoSuchProcessError(f"process {self.pid} has ended, or runs another program now")


def runs(starts: I64, ends: I64) -> Iterator[tuple[int, int, int]]:
    """(first, last + 1, end) of the pieces that one call reads; `starts` are in order.

    A run touches no page that none of its pieces lies in: the target has nothing to fetch that nobody asked for.
    """
    if not len(starts):
        return iter(())
    reached = np.maximum.accumulate(ends)
    apart = np.concatenate(([True], starts[1:] // PAGE > (reached[:-1] - 1) // PAGE + 1))
    blocks = (starts - starts[apart][np.cumsum(apart) - 1]) // RUN_BYTES
    firsts = np.flatnonzero(apart | np.concatenate(([True], blocks[1:] != blocks[:-1])))
    run_ends = np.maximum.reduceat(ends, firsts)
    return zip(firsts.tolist(), [*firsts[1:].tolist(), len(starts)], run_ends.tolist(), strict=True)


def _too_much(total: int, pieces: int) -> UnreadableMemoryError:
    return UnreadableMemoryError(f"{total} bytes asked for in {pieces} pieces, at most {MAX_BYTES} are read")
