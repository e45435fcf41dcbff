"""What a check found, and its exit code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gosonde_common.errors import GosondeError

from gosonde_cli.check.allowing import Allowed
from gosonde_cli.suspects.verdict import Suspect, Unsettled, Verdict

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
    too_early: tuple[Unsettled, ...]
    not_checked: tuple[str, ...]
    unmatched: tuple[str, ...]
    looked_at: tuple[str, ...]
    not_known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """Which process, by what, for how long, how its command ended, and why it is not known that nothing leaks."""

    pid: int
    exe: str
    source: str
    counted_ns: int
    command_exit_code: int | None
    not_checked: tuple[str, ...] = ()


def outcome(checked: Checked, verdict: Verdict, allow: Sequence[Allowed]) -> Outcome:
    """Takes what is allowed from the verdict. Leaks count more than a failed command, and that more than a gap."""
    allowed = tuple(one for one in verdict.suspects if any(pattern.matches(one) for pattern in allow))
    leaks = tuple(one for one in verdict.suspects if one not in allowed)
    statements: tuple[Suspect | Unsettled, ...] = (*verdict.suspects, *verdict.too_early)
    unmatched = [one for one in allow if not any(one.matches(statement) for statement in statements)]
    return Outcome(
        checked.pid,
        checked.exe,
        checked.source,
        checked.counted_ns,
        _exit_code(leaks, checked),
        checked.command_exit_code,
        leaks,
        allowed,
        tuple(one for one in verdict.too_early if not any(pattern.matches(one) for pattern in allow)),
        checked.not_checked,
        tuple(f"{one.at}: {one.text}" for one in unmatched),
        verdict.looked_at,
        verdict.not_known,
    )


def _exit_code(leaks: Sequence[Suspect], checked: Checked) -> int:
    if leaks:
        return LEAKS
    if checked.command_exit_code:
        return COMMAND_FAILED
    return NOT_CHECKED if checked.not_checked else 0


def ending(code: int) -> str:
    """How a command ended, for people."""
    return f"was ended by signal {-code}" if code < 0 else f"exited with {code}"
