"""What tests do in a booted system, however it was booted."""

import subprocess
from abc import ABC, abstractmethod
from pathlib import Path


class SystemInside(ABC):
    """A system with its own process 1."""

    @abstractmethod
    def command(self, *command: str | Path) -> list[str | Path]:
        """The command line that runs a command in there."""

    def run(self, *command: str | Path, check: bool = True) -> str:
        """What a command in there prints."""
        done = subprocess.run(
            self.command(*command), check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout

    def property(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()
