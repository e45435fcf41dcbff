"""What a check found, and its exit code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gosonde_common.errors import GosondeError

from gosonde_cli.check.allowing import Allowed
from gosonde_cli.suspects.judging import Suspect, Verdict

LEAKS: Final = 1
COMMAND_FAILED: Final = 4
NOT_CHECKED: Final = 5


class NotCheckedError(GosondeError):
    """The check itself failed, or nothing is known of leaks. Exit code 5."""

    exit_code = NOT_CHECKED


@dataclass(frozen=True, slots=True)
class Outcome:
    """docs/ci.md describes each key.

    Attributes:
        command_exit_code: Of the command; negative for a signal; None where there was none, or the check stopped it.
    """

    pid: int
    exe: str
    source: str
    counted_ns: int
    exit_code: int
    command_exit_code: int | None
    leaks: tuple[Suspect, ...]
    allowed: tuple[Suspect, ...]
    unmatched: tuple[str, ...]
    looked_at: tuple[str, ...]
    not_known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """Which process, by what, for how long, and how its command ended."""

    pid: int
    exe: str
    source: str
    counted_ns: int
    command_exit_code: int | None


def outcome(checked: Checked, verdict: Verdict, allow: Sequence[Allowed]) -> Outcome:
    """Takes what is allowed from the verdict. A leak counts more than a command that failed."""
    allowed = tuple(one for one in verdict.suspects if any(pattern.matches(one) for pattern in allow))
    leaks = tuple(one for one in verdict.suspects if one not in allowed)
    unmatched = [one for one in allow if not any(one.matches(suspect) for suspect in verdict.suspects)]
    return Outcome(
        checked.pid,
        checked.exe,
        checked.source,
        checked.counted_ns,
        LEAKS if leaks else COMMAND_FAILED if checked.command_exit_code else 0,
        checked.command_exit_code,
        leaks,
        allowed,
        tuple(f"{one.at}: {one.text}" for one in unmatched),
        verdict.looked_at,
        verdict.not_known,
    )


def ending(code: int) -> str:
    """How a command ended, for people."""
    return f"was ended by signal {-code}" if code < 0 else f"exited with {code}"
