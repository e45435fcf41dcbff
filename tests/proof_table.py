"""What proofs of programs have shown, as docs/accuracy.md tells it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.proof_recall import Recall
from tests.proof_soundness import Soundness

#: Of the goroutines that the runtime's own profile names, how many are to be proved.
RECALL = 0.97
RECALL_HEAD = ("program", "the runtime's", "of these proved", "more", "sites")
SOUND_HEAD = {
    "scans": "scans",
    "quiet": "of a process at rest",
    "unseen": "registers not seen",
    "candidates": "blocked goroutines looked at",
    "accused": "accused by one scan",
    "trials": "proofs tried",
    "proved": "proved",
    "wrong": "wrongly",
    "undecided": "given up",
}


@dataclass(frozen=True, slots=True)
class Sound:
    """All programs, on one host.

    Attributes:
        loads: How many programs wanted a CPU, as means of one minute, one after the other.
    """

    programs: Sequence[Soundness]
    loads: Sequence[float]

    @property
    def is_good(self) -> bool:
        """Whether nobody was proved wrongly."""
        return not any(one.wrong for one in self.programs)


def recalls_all(recalled: Sequence[Recall]) -> bool:
    """Whether every site is proved, and enough of its goroutines are."""
    runtime, both = (sum(getattr(one, name) for one in recalled) for name in ("runtime", "both"))
    return both >= RECALL * runtime and all(one.both_sites == one.runtime_sites for one in recalled)


def recall_lines(recalled: Sequence[Recall]) -> list[str]:
    """A row for each program of which the runtime names someone, then all together."""
    rows: list[tuple[str | int, ...]] = []
    for one in recalled:
        if one.runtime or one.more or one.why:
            name = f"`{one.name}`" + f" ({one.why})" * bool(one.why)
            rows.append((name, one.runtime, one.both, one.more, f"{one.both_sites} of {one.runtime_sites}"))
    runtime, both, more, sites, own = (
        sum(getattr(one, name) for one in recalled)
        for name in ("runtime", "both", "more", "runtime_sites", "both_sites")
    )
    rows.append((f"all {len(recalled)}", runtime, both, more, f"{own} of {sites}"))
    return _table(RECALL_HEAD, rows)


def sound_lines(host: str, sound: Sound) -> list[str]:
    """A row for each program, then all together."""
    rows: list[tuple[str | int, ...]] = [(f"`{one.name}`", *_numbers([one])) for one in sound.programs]
    rows.append((f"all {len(sound.programs)}", *_numbers(sound.programs)))
    least, middle, most = min(sound.loads), statistics.median(sound.loads), max(sound.loads)
    head = f"On a {host} host (load average {middle:.0f} in the median, from {least:.0f} to {most:.0f}):"
    return [head, "", *_table(("program", *SOUND_HEAD.values()), rows)]


def _numbers(those: Sequence[Soundness]) -> list[int]:
    return [sum(getattr(one, field) for one in those) for field in SOUND_HEAD]


def _table(head: Sequence[str], rows: Sequence[tuple[str | int, ...]]) -> list[str]:
    cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *cells)]
