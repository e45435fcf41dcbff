"""Which processes the operator wants watched."""

import fnmatch
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Selection:
    """Globs of executable paths, and pids; with neither, every Go process is meant.

    A process is selected when its executable matches a glob or its pid is listed.
    """

    exe: tuple[str, ...] = ()
    pids: frozenset[int] = frozenset()

    def by_file(self, path: str) -> bool:
        """Whether every process of a file is meant."""
        if not self.exe:
            return not self.pids
        return any(fnmatch.fnmatchcase(path, glob) for glob in self.exe)

    def by_pid(self, pid: int) -> bool:
        """Whether a process is meant whatever it runs."""
        return pid in self.pids
