"""What the probes may cost a target, as the operator says."""

import fnmatch
from dataclasses import dataclass

from gosonde_common.errors import UsageError

OFF = "off"
UNLIMITED = float("inf")


@dataclass(frozen=True, slots=True)
class Budget:
    """Parts of a target's own CPU time.

    Attributes:
        default: Of every target for which nothing else is said; UNLIMITED for no limit.
        by_exe: (glob over the executable's path, part); the first that matches counts.
    """

    default: float = UNLIMITED
    by_exe: tuple[tuple[str, float], ...] = ()

    def of(self, exe: str) -> float:
        """What the probes of one target may take of its CPU time."""
        return next((part for glob, part in self.by_exe if fnmatch.fnmatchcase(exe, glob)), self.default)


def parse_percent(key: str, value: float | str) -> float:
    """A part, of a percentage or "off".

    Raises:
        UsageError: It is neither, or out of range. The message begins with the key.
    """
    if value == OFF:
        return UNLIMITED
    try:
        percent = float(value)
    except ValueError:
        percent = -1.0
    if not 0.01 <= percent <= 100:
        raise UsageError(f'{key}: {value} is not allowed; give a number from 0.01 to 100 (percent), or "off"')
    return percent / 100


def parse(default: float | str, overrides: tuple[str, ...]) -> Budget:
    """The budget of `max_target_overhead` and of `target_overhead`, whose elements are "GLOB=PERCENT".

    Raises:
        UsageError: As `parse_percent`, and for an element that has no "=".
    """
    by_exe = []
    for override in overrides:
        glob, equals, percent = override.rpartition("=")
        if not equals or not glob.startswith(("/", "*", "?", "[")):
            raise UsageError(f'target_overhead: {override!r} is not "GLOB=PERCENT" with a glob over an absolute path')
        by_exe.append((glob, parse_percent("target_overhead", percent)))
    return Budget(parse_percent("max_target_overhead", default), tuple(by_exe))
