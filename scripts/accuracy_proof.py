"""How good proofs are: against what Go's own goroutineleak profile says, on every labelled program.

Exit code 0 when every `go` statement that the runtime names is proved, with RECALL of its goroutines, and nobody is
proved wrongly.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import labelled_programs, proof_trials  # noqa: E402
from tests.proof_trials import Recall, Soundness  # noqa: E402

RECALL = 0.97


def main() -> int:
    """Runs both halves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs, such as leaky/channel_send; default: all")
    parser.add_argument("--leak-seconds", type=float, default=9.0, help="how long leaking programs run first")
    parser.add_argument("--scan-seconds", type=float, default=600.0, help="how long healthy ones are scanned")
    parser.add_argument("--at-once", type=int, default=8, help="leaking programs at the same time")
    given = parser.parse_args()
    leaky = [label for label in labelled_programs.leaky() if not given.names or label.name in given.names]
    healthy = [label for label in labelled_programs.healthy() if not given.names or label.name in given.names]
    recalled = list(proof_trials.recall(leaky, given.leak_seconds, given.at_once))
    print("\n".join(recall_table(recalled)), flush=True)
    sound = proof_trials.soundness(healthy, given.scan_seconds) if healthy else []
    print("\n".join(["", *soundness_table(sound), "", f"Load at the end: {os.getloadavg()[0]:.0f}."]))
    return 0 if is_good(recalled, sound) else 1


def recall_table(recalled: list[Recall]) -> list[str]:
    """A row for each program of which the runtime names someone, then all together."""
    rows = ["| program | the runtime's | of these proved | more | sites |", "|---|---|---|---|---|"]
    for one in recalled:
        if one.runtime or one.more or one.why:
            sites = f"{one.both_sites} of {one.runtime_sites}"
            rows.append(
                f"| `{one.name}` | {one.runtime} | {one.both} | {one.more} | {sites} | {one.why}".rstrip(" |") + " |"
            )
    sums = [sum(getattr(one, name) for one in recalled) for name in ("runtime", "both", "more")]
    sites = f"{sum(one.both_sites for one in recalled)} of {sum(one.runtime_sites for one in recalled)}"
    return [*rows, f"| all {len(recalled)} | {sums[0]:,} | {sums[1]:,} | {sums[2]} | {sites} |"]


def soundness_table(sound: list[Soundness]) -> list[str]:
    """A row for each healthy program, then all together."""
    rows = [
        "| program | scans | of a quiet process | candidates | accused by one | proved | wrongly | given up |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [_row(f"`{one.name}`", [one]) for one in sound]
    return [*rows, _row(f"all {len(sound)}", sound)]


def _row(name: str, those: list[Soundness]) -> str:
    sums = [sum(getattr(one, field) for one in those) for field in ("scans", "quiet", "candidates", "accused")]
    sums += [sum(len(one.proved) for one in those), sum(len(one.wrong) for one in those)]
    sums.append(sum(one.undecided for one in those))
    return f"| {name} | {' | '.join(f'{number:,}' for number in sums)} |"


def is_good(recalled: list[Recall], sound: list[Soundness]) -> bool:
    """Whether every site is proved, enough of its goroutines are, and nobody is proved wrongly."""
    runtime, both = (sum(getattr(one, name) for one in recalled) for name in ("runtime", "both"))
    every_site = all(one.both_sites == one.runtime_sites for one in recalled)
    return every_site and both >= RECALL * runtime and not any(one.wrong for one in sound)


if __name__ == "__main__":
    sys.exit(main())
