"""The text of a process, through /proc/PID/mem: what is there, and one byte at a time written."""

import os
from collections.abc import Sequence

from gosonde_agent.model.errors import NoSuchProcessError, NotPermittedError, UnreadableFileError
from gosonde_agent.sources.ptrace.breakpoints import trap
from gosonde_agent.sources.ptrace.breakpoints.points import Breakpoint
from gosonde_agent.sources.ptrace.errors import TextChangedError


class Text:
    """That of one process image: what it runs after an exec is another one.

    Raises:
        NoSuchProcessError: It has ended.
        NotPermittedError: It may not be written.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        try:
            self.fd = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error
        except OSError as error:
            raise NotPermittedError(f"the memory of process {pid} may not be written: {error.strerror}") from error

    def read(self, address: int, size: int) -> bytes:
        """What is mapped of so many bytes."""
        try:
            return os.pread(self.fd, size, address)
        except OSError:
            return b""

    def write(self, address: int, data: bytes) -> bool:
        """Whether all of it was written."""
        try:
            return os.pwrite(self.fd, data, address) == len(data)
        except OSError:
            return False

    def byte(self, point: Breakpoint) -> int | None:
        """What is there now."""
        found = self.read(point.address, 1)
        return found[0] if found else None

    def try_to_write(self, points: Sequence[Breakpoint]) -> None:
        """Writes what is there once more, as the file has it.

        Raises:
            TextChangedError: Something else is there.
            NotPermittedError: The kernel does not let it be written.
            UnreadableFileError: There is nothing.
        """
        for point in points:
            found = self.byte(point)
            if found is None:
                raise UnreadableFileError(f"process {self._pid} has no text at {point.address:#x}")
            if found != point.original:
                raise TextChangedError(
                    f"the text of process {self._pid} at {point.address:#x} is {found:#04x} and not "
                    f"{point.original:#04x} as in its file: another program has a breakpoint or a uprobe there"
                )
            self.write_again(point.address)

    def write_again(self, address: int) -> None:
        """Writes a byte that is there over itself.

        Raises:
            NotPermittedError: The kernel does not let it be written.
        """
        found = self.read(address, 1)
        if not found or not self.write(address, found):
            raise NotPermittedError(
                f"the text of process {self._pid} may not be written (kernel option proc_mem.force_override)"
            )

    def arm(self, point: Breakpoint) -> bool:
        """Puts a breakpoint in, and reads it back."""
        return self.write(point.address, bytes([trap.BYTE])) and self.byte(point) == trap.BYTE

    def replaced(self, points: Sequence[Breakpoint]) -> int:
        """How many breakpoints are there no more, because somebody else has written there."""
        return sum(self.byte(point) not in (trap.BYTE, None) for point in points)

    def restore(self, points: Sequence[Breakpoint]) -> int:
        """Takes breakpoints out; how many of them were there no more, because somebody else has written there."""
        replaced = self.replaced(points)
        for point in reversed(points):
            if self.byte(point) == trap.BYTE:
                self.write(point.address, bytes([point.original]))
        return replaced

    def close(self) -> None:
        """Closes it."""
        os.close(self.fd)
