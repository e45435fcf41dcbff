"""How many files may have probes: the kernel takes its time to take each out again, and whoever waits, waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gosonde_agent.model.errors import TooManyFilesError

ROOT = 0
#: What part of all files those of one user may be. Root may fill all of it: it could end the agent, too.
USERS_PART = 8


class Probed(Protocol):
    """A file that has probes."""

    @property
    def owner(self) -> int:
        """The user whom it is counted for."""


File = TypeVar("File", bound=Probed)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many files may have probes.

    Attributes:
        files: Of all users.
    """

    files: int = 512

    @property
    def of_user(self) -> int:
        """How many of one user other than root."""
        return max(1, self.files // USERS_PART)

    def surplus(self, owner: int, probed: Sequence[File], idle: list[File]) -> list[File]:
        """Which files are to give up their probes for a new one of `owner`.

        Args:
            owner: The user of the new one.
            probed: All that have probes.
            idle: Those that no process runs, the least used first.

        Raises:
            TooManyFilesError: No such file is left: all are run.
        """
        if owner != ROOT and sum(file.owner == owner for file in probed) >= self.of_user:
            return _first([file for file in idle if file.owner == owner], f"{self.of_user} executables of this user")
        if len(probed) >= self.files:
            return _first(idle, f"{self.files} executables")
        return []


def _first(idle: list[File], whose: str) -> list[File]:
    if not idle:
        raise TooManyFilesError(f"{whose} that run have probes already, and no more are allowed: see max_probed_files")
    return idle[:1]
