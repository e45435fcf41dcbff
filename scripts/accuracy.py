"""How good the findings are: runs every labelled program, and prints what was found, when, where, and why.

Exit code 0 when every leak was found in time at the right statement, at most MISSES causes are wrong, and no healthy
program was flagged.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import labelled_programs, trials  # noqa: E402
from tests.trials import Trial  # noqa: E402

HEALTHY_SECONDS = 600.0
#: Wrong causes that are allowed: 2 in 24.
MISSES = 2 / 24


def main() -> int:
    """Runs what the flags name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs, such as leaky/steps; default: all")
    parser.add_argument("--seconds", type=float, default=HEALTHY_SECONDS, help="how long healthy ones run")
    parser.add_argument("--no-pprof", action="store_true", help="push no profile of the programs")
    given = parser.parse_args()
    labels = labelled_programs.leaky() + labelled_programs.healthy()
    chosen = [label for label in labels if not given.names or label.name in given.names]
    done = trials.run(chosen, given.seconds, pull=not given.no_pprof)
    print("\n".join([*_table(done), "", *_summary(done)]))
    return 0 if _good(done) else 1


def _table(done: list[Trial]) -> list[str]:
    head = "| program | found after | limit | cause | as expected | false alarms |"
    return [head, "|---|---|---|---|---|---|", *map(_row, done)]


def _row(trial: Trial) -> str:
    label = trial.label
    others = ", ".join(sorted(trial.others)) or "none"
    if not label.leaks:
        return f"| `{label.name}` | | | | | {others} |"
    found = "not found" if trial.found_s is None else f"{trial.found_s:.0f} s"
    right = "yes" if trial.right_cause else f"no: {label.cause}"
    return f"| `{label.name}` | {found} | {label.limit_s:.0f} s | {trial.cause or '-'} | {right} | {others} |"


def _summary(done: list[Trial]) -> list[str]:
    leaky = [trial for trial in done if trial.label.leaks]
    sound = [trial for trial in done if not trial.label.leaks]
    return [
        f"- {sum(trial.in_time for trial in leaky)} of {len(leaky)} leaks were found in time, at the right statement.",
        f"- The cause is right for {sum(trial.right_cause for trial in leaky)} of {len(leaky)}.",
        f"- {sum(bool(trial.others) for trial in sound)} of {len(sound)} healthy programs were flagged.",
        f"- {sum(bool(trial.others) for trial in leaky)} of {len(leaky)} leaking programs were flagged elsewhere too.",
    ]


def _good(done: list[Trial]) -> bool:
    leaky = [trial for trial in done if trial.label.leaks]
    sound = not any(trial.others for trial in done if not trial.label.leaks)
    wrong = sum(not trial.right_cause for trial in leaky)
    return all(trial.in_time for trial in leaky) and sound and wrong <= MISSES * len(leaky)


if __name__ == "__main__":
    sys.exit(main())
