"""Reads another process's memory through /proc/PID/mem: pieces that lie close together with one system call.

The kernel asks for privileges when that file is opened, not when it is read. So the agent, which has none, reads what
its helper opened, and what it reads is of one address space: after an exec there is nothing to read any more.
"""

import errno
import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

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
#: So few pieces are read one by one: arranging them takes longer than the system calls that it saves.
FEW_PIECES = 64
#: Pieces of one size that are read before they are copied to where they belong: what lies between them takes room, too.
PIECES_AT_ONCE = 4_096

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Places:
    """Pieces of memory, and what lies between them.

    Attributes:
        data: uint8[any].
        places: int64[n]: where each piece begins in `data`.
        whole: bool[n]: all of the piece is mapped; what is at its place otherwise is not defined.
    """

    data: npt.NDArray[np.uint8]
    places: I64
    whole: npt.NDArray[np.bool_]


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
            UnreadableMemoryError: The request is larger than MAX_BYTES in all, or the size is negative.
            NoSuchProcessError: The process has ended, or runs another program.
        """
        count = len(addresses)
        if not 0 <= size * count <= MAX_BYTES:
            raise _too_much(size * count, count)
        rows = np.zeros((count, size), np.uint8)
        whole = np.full(count, size == 0)
        if not size or not count:
            return rows, whole
        if count <= FEW_PIECES:
            self._read_few(addresses, rows, whole)
            return rows, whole
        wanted = _in_order(addresses, size)
        into = rows.view(f"V{size}")[:, 0]
        for first in range(0, len(wanted), PIECES_AT_ONCE):
            some = wanted[first : first + PIECES_AT_ONCE]
            starts = addresses[some].astype(np.int64)
            found = self._read_runs(starts, starts + size)
            there = some[found.whole]
            into[there] = windows(found.data, f"V{size}")[found.places[found.whole]]
            whole[there] = True
        return rows, whole

    def _read_few(
        self, addresses: npt.NDArray[np.uint64], rows: npt.NDArray[np.uint8], whole: npt.NDArray[np.bool_]
    ) -> None:
        """Fills the rows one by one, and says of each whether it is whole; one that is not is zeros."""
        size = rows.shape[1]
        into = memoryview(rows.reshape(-1).data)
        for index, address in enumerate(addresses.tolist()):
            piece = into[index * size : (index + 1) * size]
            if self.read_into(address, piece):
                whole[index] = True
            else:
                rows[index] = 0

    def read_pieces(
        self, addresses: npt.NDArray[np.uint64], sizes: I64
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """(uint8[sum(sizes)], bool[n]): the pieces one behind the other; zeros and False for one not all mapped.

        Raises:
            UnreadableMemoryError: As `read_places`.
            NoSuchProcessError: The process has ended, or runs another program.
        """
        found = self.read_places(addresses, sizes)
        buffer = np.zeros(int(sizes.sum()), np.uint8)
        into, data = memoryview(buffer.data), memoryview(found.data.data)
        ends = np.cumsum(sizes)
        for place, size, end in zip(
            found.places[found.whole].tolist(), sizes[found.whole].tolist(), ends[found.whole].tolist(), strict=True
        ):
            into[end - size : end] = data[place : place + size]
        return buffer, found.whole

    def read_places(self, addresses: npt.NDArray[np.uint64], sizes: I64) -> Places:
        """The pieces as they were read, without a copy of each: up to two pages more for each piece.

        Raises:
            UnreadableMemoryError: That is more than MAX_BYTES in all, or a size is negative.
            NoSuchProcessError: The process has ended, or runs another program.
        """
        total = int(sizes.sum()) if len(sizes) else 0
        if total > MAX_BYTES or (len(sizes) and (int(sizes.min()) < 0 or int(sizes.max()) > MAX_BYTES)):
            raise _too_much(total, len(sizes))
        places, whole = np.zeros(len(sizes), np.int64), sizes == 0
        wanted = _in_order(addresses, sizes)
        starts = addresses[wanted].astype(np.int64)
        found = self._read_runs(starts, starts + sizes[wanted])
        places[wanted], whole[wanted] = found.places, found.whole
        return Places(found.data, places, whole)

    def _read_runs(self, starts: I64, ends: I64) -> Places:
        """Pieces in order of their addresses, those that lie close together with one call."""
        firsts, run_ends = runs(starts, ends)
        sizes = run_ends - starts[firsts]
        if (total := int(sizes.sum())) > MAX_BYTES:
            raise _too_much(total, len(starts))
        at = np.cumsum(sizes) - sizes
        data = np.empty(total, np.uint8)
        into = memoryview(data.data)
        known = [
            self._filled(address, into[place : place + size])
            for address, place, size in zip(starts[firsts].tolist(), at.tolist(), sizes.tolist(), strict=True)
        ]
        of_run = np.repeat(np.arange(len(firsts)), np.diff(firsts, append=len(starts)))
        begins = starts - starts[firsts][of_run]
        places = begins + at[of_run]
        whole = ends - starts[firsts][of_run] <= np.array(known, np.int64)[of_run]
        for piece in np.flatnonzero(~whole).tolist():
            place, size = int(places[piece]), int(ends[piece] - starts[piece])
            whole[piece] = self.read_into(int(starts[piece]), into[place : place + size])
        return Places(data, places, whole)

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


def runs(starts: I64, ends: I64) -> tuple[I64, I64]:
    """(the first piece of each run, where each run ends): a run is what one call reads; `starts` are in order.

    A run touches no page that none of its pieces lies in: the target has nothing to fetch that nobody asked for.
    """
    if not len(starts):
        return starts, ends
    reached = np.maximum.accumulate(ends)
    apart = np.concatenate(([True], starts[1:] // PAGE > (reached[:-1] - 1) // PAGE + 1))
    blocks = (starts - starts[apart][np.cumsum(apart) - 1]) // RUN_BYTES
    firsts = np.flatnonzero(apart | np.concatenate(([True], blocks[1:] != blocks[:-1])))
    return firsts, np.maximum.reduceat(ends, firsts)


def windows(data: npt.NDArray[np.uint8], dtype: str) -> npt.NDArray[Any]:
    """What `data` holds at each place in it, aligned or not, up to the last at which there is a whole one."""
    wanted = np.dtype(dtype)
    return np.ndarray((max(len(data) - wanted.itemsize + 1, 0),), wanted, data, strides=(1,))


def _in_order(addresses: npt.NDArray[np.uint64], sizes: I64 | int) -> I64:
    """Which pieces can be somewhere, by their addresses."""
    possible = np.flatnonzero((addresses != 0) & (addresses < np.uint64(ADDRESS_LIMIT)) & (np.asarray(sizes) > 0))
    return possible[np.argsort(addresses[possible], kind="stable")]


def _too_much(total: int, pieces: int) -> UnreadableMemoryError:
    return UnreadableMemoryError(f"{total} bytes asked for in {pieces} pieces, at most {MAX_BYTES} are read")
