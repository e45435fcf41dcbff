"""What runs of labelled programs have shown, as docs/accuracy.md tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.trials import Trial


@dataclass(frozen=True)
class Run:
    """All programs beside each other on one host.

    Attributes:
        load: How many programs wanted a CPU at its end, as the mean of five minutes.
    """

    trials: Sequence[Trial]
    load: float

    @property
    def leaky(self) -> list[Trial]:
        """Of the programs that leak."""
        return [trial for trial in self.trials if trial.label.leaks]

    @property
    def sound(self) -> list[Trial]:
        """Of the healthy programs."""
        return [trial for trial in self.trials if not trial.label.leaks]

    @property
    def is_good(self) -> bool:
        """Whether every leak was found in time with the right cause, and nothing else was flagged."""
        found = all(trial.in_time and trial.right_cause for trial in self.leaky)
        return found and not any(trial.others for trial in self.trials)


def lines(runs: Mapping[str, Run]) -> list[str]:
    """A table of all programs, and a sentence for each number of each run, by the name of its host."""
    head = ["program", "limit", *(f"{column}, {host}" for host in runs for column in ("found after", "cause"))]
    rows = [_row(same) for same in zip(*(run.trials for run in runs.values()), strict=True)]
    table = ["| " + " | ".join(cells) + " |" for cells in ([*head, "false alarms"], ["---"] * (len(head) + 1), *rows)]
    return [*table, "", *(line for host, run in runs.items() for line in _summary(host, run))]


def _row(same: Sequence[Trial]) -> list[str]:
    """The cells of one program, which ran on each host."""
    label = same[0].label
    limit = f"{label.limit_s:.0f} s" if label.leaks else ""
    others = ", ".join(sorted(set().union(*(trial.others for trial in same)))) or "none"
    return [f"`{label.name}`", limit, *(cell for trial in same for cell in _found(trial)), others]


def _found(trial: Trial) -> tuple[str, str]:
    if not trial.label.leaks:
        return "", ""
    found = "not found" if trial.found_s is None else f"{trial.found_s:.0f} s"
    return found, trial.cause if trial.right_cause else f"{trial.cause or '-'}, not {trial.label.cause}"


def _summary(host: str, run: Run) -> list[str]:
    leaky, sound = run.leaky, run.sound
    found, right = sum(trial.in_time for trial in leaky), sum(trial.right_cause for trial in leaky)
    beside, left_alone = sum(bool(trial.others) for trial in leaky), sum(not trial.others for trial in sound)
    return [
        f"- On a {host} host (load average {run.load:.0f}):",
        f"  - {found} of {len(leaky)} leaks were found in time, at the right statement.",
        f"  - The cause is right for {right} of {len(leaky)}.",
        f"  - {left_alone} of {len(sound)} healthy programs were not flagged.",
        f"  - {beside} of {len(leaky)} leaking programs were flagged elsewhere too.",
    ]
