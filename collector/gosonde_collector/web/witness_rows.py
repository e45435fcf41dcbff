"""Witnesses as rows: what each shows beside what the counters showed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gosonde_collector.analysis.numbers import HEAP_BYTES, LEAKED, LIVE, STACK_BYTES, Numbers
from gosonde_collector.analysis.witnesses import Witness

#: What stands behind a number.
UNITS: Final = {LIVE: "", LEAKED: " that leak", STACK_BYTES: " MiB more of stacks", HEAP_BYTES: " MiB more of heap"}
BYTES: Final = frozenset({STACK_BYTES, HEAP_BYTES})
MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """A witness with its numbers in words; both are "" where it has none.

    Attributes:
        at_unix_nano: When they held; 0 without any.
    """

    witness: Witness
    shown: str
    counted: str
    at_unix_nano: int


def rows(witnesses: Iterable[Witness]) -> list[WitnessRow]:
    """In their order."""
    return [_row(witness, witness.numbers) for witness in witnesses]


def _row(witness: Witness, numbers: Numbers | None) -> WitnessRow:
    if numbers is None:
        return WitnessRow(witness, "", "", 0)
    unit = UNITS[numbers.what]
    shown = _span(numbers, numbers.shown_low, numbers.shown_high)
    counted = _span(numbers, numbers.counted_low, numbers.counted_high)
    counted_unit = unit if numbers.what in BYTES else ""
    return WitnessRow(witness, shown and f"{shown}{unit}", counted and f"{counted}{counted_unit}", numbers.at_unix_nano)


def _span(numbers: Numbers, low: int | None, high: int | None) -> str:
    if low is None:
        return ""
    if high is None:
        return f"at least {_figure(numbers, low)}"
    return _figure(numbers, low) if low == high else f"{_figure(numbers, low)} to {_figure(numbers, high)}"


def _figure(numbers: Numbers, value: int) -> str:
    return f"{value / MIB:,.2f}" if numbers.what in BYTES else f"{value:,}"
